import Compression
import Fitting
import Foundation
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing
import Transformers

@Suite struct MethodRecipeTests {
    @Test func shippedRecipesAreSoundAndNamedAfterTheirFiles() throws {
        let recipes = try MethodRecipes.all()
        #expect(recipes.map(\.name) == MethodRecipes.names)
        #expect(Set(MethodRecipes.names).count == MethodRecipes.names.count && recipes.count >= 51)
        for recipe in recipes {
            #expect(try MethodRecipes.named(recipe.name) == recipe)
            #expect(!recipe.title.isEmpty && !recipe.source.isEmpty)
        }
    }

    /// A weight of 128 x 128, its inputs' moments and its Fisher weights: every recipe fits it, within its size.
    @Test(arguments: MethodRecipes.names)
    func everyShippedRecipeFits(name: String) throws {
        let recipe = try MethodRecipes.named(name)
        let site = MatrixSite(name: "w", shape: MatrixShape(rows: 128, columns: 128), role: .linear, input: nil)
        var generator = SeededGenerator(seed: 3)
        let weight = Matrix.random(rows: 128, columns: 128, using: &generator)
        let mixing = DoubleMatrix(rows: 128, columns: 128) { $0 == $1 ? 2 : 1 / Double(1 + $0 + $1) }
        let inputs = Matrix.random(rows: 300, columns: 128, using: &generator).converted(to: Double.self)
        let subject = try ComparisonSubject(
            name: "w", weight: weight, gram: try Gram(inputs: inputs.multiplied(by: mixing)),
            fisher: try FisherWeighting(columns: (0..<128).map { 1 + Double($0 % 5) }))
        let objective = try #require(try subject.objective(recipe.objective))
        let (method, size) = try recipe.sizedMethod(for: [site])
        #expect(method.method.objectives.contains(recipe.objective))
        let budget = size.budget(for: site.shape)
        let fit = try method.fit(
            weight, objective: objective, size: budget,
            context: FitContext(name: "w", precision: recipe.precision, execution: ExecutionContext(threads: 2)))
        #expect(fit.matrix.family == method.method.family && fit.matrix.shape == site.shape && fit.refinement == nil)
        #expect(fit.relativeError > 0 && fit.relativeError < 1)
        if case .fitter = recipe.method { #expect(budget.allows(fit.matrix.cost, shape: site.shape)) }
    }

    /// The files of the folder are those that are registered.
    @Test func everyShippedFileIsRegistered() throws {
        let folder = CompressionJobTests.root.appending(path: "Sources/Compression/Recipes/Shipped").path
        let files = try FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(Set(files) == Set((MethodRecipes.names + RewriteRecipes.names).map { $0 + ".yaml" }))
    }

    private func read(_ text: String) throws -> MethodRecipe {
        let file = FileManager.default.temporaryDirectory.appending(path: "recipe-\(UUID().uuidString).yaml")
        try Data(text.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try MethodRecipe.read(file: file.path)
    }

    private static let head = "recipe: mine\ntitle: Mine\nsource: me\n"

    @Test func everyFieldIsRead() throws {
        let recipe = try read(
            Self.head + "fitter: svd\nsize: 0.4\nof: multiply-adds\nobjective: activations\nprecision: f32\n"
                + "only: ['*query', b?]\nexcept: [c]\nnotes: |\n  Two\n  lines\n")
        #expect(recipe.method == .fitter("svd", .share(0.4, of: .multiplyAdds)))
        #expect(recipe.objective == .activations && recipe.precision == .f32)
        #expect(recipe.only == ["*query", "b?"] && recipe.except == ["c"] && recipe.notes == "Two\nlines\n")
        #expect(try read(Self.head + "fitter: quantize\nbits: 3\n").method == .fitter("quantize", .bits(3)))
        let candidate = try read(Self.head + "family: low-rank\noptions: {rank: 8}\n")
        #expect(candidate.method == .candidate(Candidate(family: "low-rank", options: ["rank": 8])))
        #expect(throws: CompressionError.recipeUnreadable(file: "mine", reason: "its options fix its size")) {
            try candidate.sized(.bits(2))
        }
        #expect(try recipe.sized(.bits(2)).method == .fitter("svd", .bits(2)))
    }

    static let mistakes: [(text: String, reason: String)] = [
        ("[", "not YAML: "),
        ("- a", "expected a mapping of names to values"),
        ("", "expected a mapping of names to values"),
        ("title: a", "'recipe' is missing"),
        ("recipe: [a]", "recipe: expected a text"),
        (head + "colour: red", "unknown key 'colour', expected some of recipe, title, "),
        (head, "expected a fitter or a family, one of them"),
        (head + "fitter: svd\nfamily: low-rank", "expected a fitter or a family, one of them"),
        (head + "fitter: psychic\nsize: 50%", "unknown fitter 'psychic', see 'tessera families'"),
        (head + "fitter: svd", "a size or bits are missing"),
        (head + "fitter: svd\nsize: 0%", "budget '0%': expected more than 0% and at most 100%"),
        (head + "fitter: svd\nsize: 50%\nof: inches", "of: expected one of bytes, parameters, multiply-adds, got 'inches'"),
        (head + "fitter: svd\nbits: 0", "bits: expected a whole number from 1 to 16"),
        (head + "fitter: svd\nbits: 2\nsize: 50%", "'size' and 'bits' exclude each other"),
        (head + "fitter: svd\nsize: 50%\noptions: {rank: 2}", "'options' and 'fitter' exclude each other"),
        (head + "family: round", "unknown family 'round', expected one of dense, "),
        (head + "family: low-rank\noptions: {rank: -1}", "options: expected names and whole numbers from 1"),
        (head + "family: low-rank\noptions: {size: 1}", "options: expected rank, got size"),
        (head + "family: low-rank\noptions: {rank: 2}\nsize: 50%", "'size' and 'family' exclude each other"),
        (head + "family: low-rank\noptions: {rank: 2}\nonly: a", "only: expected a list of texts"),
        (String(repeating: "a", count: 5000), "5000 bytes, at most 4096 are allowed"),
    ]

    @Test(arguments: mistakes.indices)
    func mistakesAreNamed(index: Int) throws {
        let (text, reason) = Self.mistakes[index]
        let error = #expect(throws: CompressionError.self) { try read(text) }
        let message = try #require(error).description
        #expect(message.contains(": not a recipe: " + reason))
        #expect(!message.contains("\n"))
    }

    @Test func deepNestingIsSurvived() throws {
        for text in [
            String(repeating: "[", count: 4096), String(repeating: "{a: ", count: 1000), String(repeating: "- ", count: 2048),
        ] {
            #expect(throws: CompressionError.self) { try read(text) }
        }
    }

    @Test func unknownRecipesAreNamed() {
        let error = #expect(throws: CompressionError.self) { try MethodRecipes.named("gptq") }
        #expect(
            error?.description
                == "unknown recipe 'gptq', expected a YAML file or one of \(MethodRecipes.names.joined(separator: ", "))")
    }
}
