import Compression
import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Fisher weights from a file: in a comparison, a study and a recipe.
@Suite struct FisherComparisonTests {
    private static func withFolder<Value>(_ body: (URL) throws -> Value) throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-fisher-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder)
    }

    private static func weights(_ count: Int) -> NumPyArray { NumPyArray((0..<count).map { Float(1 + 40 * ($0 % 3)) * 1e-6 }) }

    private static func comparison(_ objective: Objective.Kind, _ fitters: [String]) throws -> MatrixComparison {
        var comparison = MatrixComparison(
            methods: try SizedMethod.named(fitters: fitters), sizes: [.share(0.5, of: .parameters)], objective: objective,
            precision: .f32, batches: [1])
        comparison.secondsPerProduct = 1e-4
        return comparison
    }

    @Test func refinementTakesOverWhereAFitterCannotUseFisherWeights() throws {
        try Self.withFolder { folder in
            let (file, archive) = (folder.appending(path: "w.npy").path, folder.appending(path: "f.npz").path)
            let inputs = folder.appending(path: "x.npy").path
            var generator = SeededGenerator(seed: 5)
            try NumPyArray(Matrix.random(rows: 24, columns: 20, using: &generator)).write(to: file)
            try NumPyArray(Matrix.random(rows: 90, columns: 20, using: &generator)).write(to: inputs)
            try NumPyArchive.write([("rows", Self.weights(24)), ("columns", Self.weights(20))], to: archive)
            let fitters = ["svd", "fisher-svd", "nm-magnitude"]
            func run(_ objective: Objective.Kind) throws -> MatrixComparison.Result {
                let subject = try ComparisonSubject(numPy: file, inputs: inputs, fisher: try FisherArchive(file: archive))
                return try Self.comparison(objective, fitters).run(subject, context: .serial)
            }
            func fitted(_ result: MatrixComparison.Result, _ name: String) throws -> MatrixComparison.Fitted {
                try #require(result.rows.first { $0.method.name == name }?.outcome.fitted)
            }
            let (plain, weighted) = (try run(.frobenius), try run(.fisher))
            #expect(weighted.objectives == [.frobenius, .activations, .fisher, .activationsAndFisher])
            let fisher = try #require(weighted.objectives.firstIndex(of: .fisher))
            let (svd, unrefined) = (try fitted(weighted, "svd"), try fitted(plain, "svd"))
            #expect(svd.refinement == "l-bfgs" && svd.errors[fisher] < 0.9 * unrefined.errors[fisher])
            // With weights of rows and columns the scaled decomposition is exact: nothing is below it.
            let exact = try fitted(weighted, "fisher-svd")
            #expect(exact.refinement == nil && exact.errors[fisher] <= svd.errors[fisher] * 1.0001)
            // Places are no numbers to descend in.
            let (fixed, magnitude) = (try fitted(weighted, "nm-magnitude"), try fitted(plain, "nm-magnitude"))
            #expect(fixed.refinement == nil && fixed.errors == magnitude.errors)
            #expect(weighted.text.contains("\nsvd + l-bfgs ") && weighted.text.contains("\nnm-magnitude* "))
            #expect(weighted.text.contains("+ l-bfgs: makes another objective small than fisher; refined under it by l-bfgs.\n"))
            let rows = try #require(weighted.json["methods"]?.arrayValue)
            #expect(rows.map { $0["refinement"]?.stringValue } == ["l-bfgs", nil, nil])

            // Under activations the plain method stays what it is.
            let activations = try run(.activations)
            let alike = try fitted(activations, "svd")
            #expect(alike.refinement == nil && alike.errors == unrefined.errors)
            #expect(!activations.text.contains("l-bfgs"))
        }
    }

    @Test func whatAnArchiveLacksIsNamed() throws {
        try Self.withFolder { folder in
            let archive = folder.appending(path: "f.npz").path
            let weight = folder.appending(path: "w.npy").path
            try NumPyArray(Matrix(rows: 3, columns: 2)).write(to: weight)
            func subject(_ arrays: [(String, [Float])]) throws -> ComparisonSubject {
                try NumPyArchive.write(arrays.map { ($0.0, NumPyArray($0.1)) }, to: archive)
                return try ComparisonSubject(numPy: weight, inputs: nil, fisher: try FisherArchive(file: archive))
            }
            #expect(throws: CompressionError.noFisherWeights(file: archive, expected: ["rows", "columns"], names: ["row"])) {
                try subject([("row", [1])])
            }
            #expect(throws: FittingError.fisherMismatch(matrix: weight, side: "row", expected: 3, got: 2)) {
                try subject([("rows", [1, 1])])
            }
            #expect(throws: FittingError.fisherMismatch(matrix: weight, side: "column", expected: 2, got: 3)) {
                try subject([("columns", [1, 1, 1])])
            }
            #expect(throws: FittingError.invalidFisherWeight(side: "row", index: 1)) { try subject([("rows", [1, -1, 1])]) }
            let one = try subject([("columns", [1, 2])])
            let (fisher, both) = (try one.objective(.fisher), try one.objective(.activationsAndFisher))
            #expect(fisher?.gram != nil && fisher?.rowWeights == nil && both == nil)
            #expect(throws: CompressionError.missingCalibration(reason: "the objective 'activations+fisher' is made of it")) {
                try Self.comparison(.activationsAndFisher, ["svd"]).run(one, context: .serial)
            }
            let none = try ComparisonSubject(numPy: weight, inputs: nil)
            #expect(throws: CompressionError.missingFisher(objective: "fisher")) {
                try Self.comparison(.fisher, ["svd"]).run(none, context: .serial)
            }
            #expect(
                CompressionError.noFisherWeights(file: "f", expected: ["w.rows", "w.columns"], names: ["a"]).description
                    == #"f: expected arrays "w.rows" or "w.columns", got "a""#)
        }
    }

    @Test func modelsHaveWeightsForEveryMatrix() throws {
        try SmallEncoder.with { folder, model, pairs in
            let sites = try LoadedModel.load(model).model.sites.filter { $0.role == .linear }
            let file = folder.appending(path: "f.npz").path
            func archive(_ sites: [MatrixSite]) throws -> FisherArchive {
                try NumPyArchive.write(sites.map { ($0.name + ".columns", Self.weights($0.shape.columns)) }, to: file)
                return try FisherArchive(file: file)
            }
            var job = RecipeJob(
                model: model, output: folder.appending(path: "out").path, recipe: try MethodRecipes.named("fwsvd"),
                context: .serial)
            #expect(throws: CompressionError.missingFisher(objective: "fisher")) { try job.run() }
            job.fisher = try archive(Array(sites.dropLast()))
            let last = try #require(sites.last?.name)
            let expected = [last + ".rows", last + ".columns"]
            let names = sites.dropLast().map { $0.name + ".columns" }
            #expect(throws: CompressionError.noFisherWeights(file: file, expected: expected, names: names)) { try job.run() }
            #expect(!FileManager.default.fileExists(atPath: job.output))
            job.recipe.except = [last]
            #expect(try job.run().fits.matrices.count == sites.count - 1)

            let output = folder.appending(path: "study.json").path
            func study(_ fisher: FisherArchive?) throws -> StudyResults {
                try MethodStudy(
                    model: model, pairs: pairs, fisher: fisher, methods: SizedMethod.named(fitters: ["svd", "fisher-svd"]),
                    sizes: [.share(0.5, of: .parameters)], bits: [], objective: fisher == nil ? .activations : .fisher,
                    output: output, context: .serial
                ).run()
            }
            let results = try study(try archive(sites))
            #expect(results.rows.map(\.title) == ["svd + l-bfgs", "fisher-svd"])
            #expect(results.objectives.contains(.fisher) && results.text.contains("svd + l-bfgs"))
            let again = try study(try FisherArchive(file: file))
            #expect(again.rows.map(\.title) == results.rows.map(\.title) && again.rows.map(\.date) == results.rows.map(\.date))
            #expect(throws: CompressionError.studyMismatch(file: output, differs: ["objective", "fisher"])) { try study(nil) }
        }
    }
}
