import Compression
import Foundation
import Tensors
import Testing

/// How much compensation may follow the text that it is fitted to.
@Suite struct MeasuredRidgeTests {
    private static let sentences = (0..<48).map { "token \($0) sits and \($0 * 7 % 11) runs" }.joined(separator: "\n")

    private static func files(_ recipe: RewriteRecipe, _ model: String, _ folder: URL, _ name: String) throws -> Data? {
        let text = folder.appending(path: "text.txt")
        try Data(sentences.utf8).write(to: text)
        let output = folder.appending(path: name)
        _ = try RewriteJob(
            model: model, output: output.path, recipe: recipe.sized(0.4), calibration: .file(text.path),
            context: ExecutionContext(threads: 2)
        ).run()
        return try CompressionJobTests.contents(output)["model.safetensors"]
    }

    /// A recipe that names no ridge is the recipe with the one that was best, to the byte; others differ from it.
    @Test func whatIsMeasuredIsOneOfThoseTried() throws {
        try SmallEncoder.with { folder, model, _ in
            let measured = try #require(try RewriteRecipes.recipe("narrow"))
            let weights = try Self.files(measured, model, folder, "measured")
            let alike = try ["0.0001", "0.01", "0.1", "0.3", "1"].filter { ridge in
                let file = folder.appending(path: "ridge-\(ridge).yaml")
                try Data((measured.text + "\nridge: \(ridge)\n").utf8).write(to: file)
                let recipe = try #require(try RewriteRecipes.recipe(file.path))
                return try Self.files(recipe, model, folder, "out-\(ridge)") == weights
            }
            #expect(alike.count == 1, "\(alike)")
        }
    }
}
