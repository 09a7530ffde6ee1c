import Compression
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Feed-forward networks cut into experts, on the language model that ships.
@Suite struct ExpertRewriteTests {
    private static func outcome(
        _ name: String, share: Double, to output: URL, threads: Int = 2, characters: Int = 6000
    ) throws -> RewriteJob.Outcome {
        let recipe = try #require(try RewriteRecipes.recipe(name)).sized(share)
        let text = output.deletingLastPathComponent().appending(path: "text.txt")
        let prose = try String(contentsOfFile: CompressionJobTests.prose, encoding: .utf8)
        try String(prose.prefix(characters)).write(to: text, atomically: true, encoding: .utf8)
        return try RewriteJob(
            model: CompressionJobTests.model, output: output.path, recipe: recipe, calibration: .file(text.path),
            context: ExecutionContext(threads: threads)
        ).run()
    }

    private static let sequences: [[Int]] = (0..<4).map { index in (0..<64).map { ($0 * 37 + index * 501 + 11) % 8000 } }

    /// Real text that no recipe was calibrated on.
    private static func text(_ loaded: LoadedModel) throws -> [[Int]] {
        let prose = try String(contentsOfFile: CompressionJobTests.root.appending(path: "Examples/evaluation-prose.txt").path, encoding: .utf8)
        let tokens = loaded.tokenizer.encode(String(prose.prefix(6000)))
        return stride(from: 0, to: tokens.count - 128, by: 128).map { Array(tokens[$0..<$0 + 128]) }
    }

    /// All weights and half of the multiply-adds: the folder opens again as what the outcome says, with the dense function
    /// where every expert runs.
    @Test func factorLLMComesBack() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            let outcome = try Self.outcome("factor-llm", share: 0.5, to: output)
            #expect(outcome.parameters.after > outcome.parameters.before)
            let share = Double(outcome.touched.after) / Double(outcome.touched.before)
            #expect(share > 0.5 && share < 0.51)
            #expect(outcome.experts.count == 6 && outcome.experts.allSatisfy { $0.leastError <= $0.error })
            #expect(outcome.text.contains("nothing is smaller in storage"))
            let loaded = try LoadedModel.load(output.path)
            #expect(loaded.unusedTensors.isEmpty)
            var network = try #require(loaded.model as? CausalTransformer)
            #expect(network.blockSizes == outcome.blocks.after)
            let routed = try network.logits(Self.sequences[0], context: .serial)
            for block in network.blockSizes.indices {
                #expect(network.experts(block)?.sizes == ExpertSizes(count: 4, active: 2, substitute: .scale))
                network.setExperts(block, nil)
            }
            let dense = try LoadedModel.load(CompressionJobTests.model).causal.logits(Self.sequences[0], context: .serial)
            let whole = try network.logits(Self.sequences[0], context: .serial)
            #expect(zip(whole.elements, dense.elements).allSatisfy { abs($0 - $1) < 1e-3 })
            #expect(zip(routed.elements, dense.elements).contains { abs($0 - $1) > 0.1 })
            // What was cut cannot be narrowed on top.
            #expect(throws: CompressionError.hasExperts(folder: output.path)) {
                var job = RewriteJob(
                    model: output.path, output: folder.appending(path: "again").path,
                    recipe: try #require(try RewriteRecipes.recipe("flap")), context: .serial)
                job.calibration = .file(CompressionJobTests.prose)
                _ = try job.run()
            }
        }
    }

    /// Neurons in another order and every expert at work: the model's own function.
    @Test func allExpertsAreTheModel() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            let outcome = try Self.outcome("experts", share: 1, to: output, characters: 3000)
            #expect(outcome.experts.allSatisfy { $0.error < 1e-9 })
            let after = try LoadedModel.load(output.path).causal.logits(Self.sequences[0], context: .serial)
            let before = try LoadedModel.load(CompressionJobTests.model).causal.logits(Self.sequences[0], context: .serial)
            #expect(zip(after.elements, before.elements).allSatisfy { abs($0 - $1) < 1e-3 })
        }
    }

    /// The squared error of a block's output, relative to what its feed-forward network gives.
    private static func error(
        _ model: any NetworkModel, _ experts: RoutedExperts, _ sequences: [[Int]]
    ) throws -> Double {
        let states = try model.states(sequences, context: .serial)
        func run(_ experts: RoutedExperts?) throws -> Matrix {
            var model = model
            model.setExperts(0, experts)
            return try model.run(0..<1, on: states, of: sequences, context: .serial) { _, _ in }
        }
        let dense = try run(nil)
        // With no neuron at all: what the others add to.
        var silent = model
        silent.setBlock(0, sizes: model.blockSizes[0], matrices: [.down: (Zero.matrix(like: model), nil)])
        let without = try silent.run(0..<1, on: states, of: sequences, context: .serial) { _, _ in }
        return (try run(experts) - dense).squaredNorm / (dense - without).squaredNorm
    }

    /// On text that it has not seen the router does better than one that knows only how often experts are needed, and that
    /// better than chance; constants for what is left out beat scaling.
    @Test func theRouterLearnsWhatTokensNeed() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            _ = try Self.outcome("experts", share: 0.5, to: output, characters: 12_000)
            let loaded = try LoadedModel.load(output.path)
            let model = try #require(loaded.model as? any NetworkModel)
            let sequences = try Self.text(loaded)
            let router = try #require(model.experts(0))
            func other(_ weight: Matrix, _ bias: [Float]) throws -> Double {
                try Self.error(
                    model, RoutedExperts(sizes: router.sizes, router: weight, bias: bias, means: router.means), sequences)
            }
            let learned = try Self.error(model, router, sequences)
            // The same experts for every token: those that are chosen most often.
            let count = router.sizes.count
            var often = [Float](repeating: 0, count: count)
            let states = try model.states(sequences, context: .serial)
            _ = try model.run(0..<1, on: states, of: sequences, context: .serial) { name, rows in
                guard name == model.inputName(0, .up) else { return }
                for row in 0..<rows.rows {
                    for expert in router.chosen(router.scores(rows.row(row))) { often[expert] += 1 }
                }
            }
            let fixed = try other(Matrix(rows: count, columns: router.router.columns), often)
            var generator = SeededGenerator(seed: 1)
            let random = try other(
                .random(rows: count, columns: router.router.columns, using: &generator), [Float](repeating: 0, count: count))
            #expect(learned < fixed && learned < random)
            let scaled = try Self.error(
                model,
                RoutedExperts(
                    sizes: ExpertSizes(count: count, active: router.sizes.active, substitute: .scale), router: router.router, bias: router.bias),
                sequences)
            #expect(learned < scaled)
        }
    }

    @Test func theSameBytesAtAnyNumberOfThreads() throws {
        try CompressionJobTests.temporary { folder in
            let files = try [1, 3].map { threads in
                let output = folder.appending(path: "out-\(threads)")
                _ = try Self.outcome("experts", share: 0.25, to: output, threads: threads, characters: 3000)
                return try CompressionJobTests.contents(output)
            }
            #expect(files[0] == files[1])
        }
    }

    @Test func sharesBelowOneExpertAreRefused() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            let error = #expect(throws: (any Error).self) { try Self.outcome("factor-llm", share: 0.2, to: output) }
            let message = "\(try #require(error))"
            #expect(message == "20.0 % cannot be reached: the least that units leave is 25.0 %")
            #expect(!FileManager.default.fileExists(atPath: output.path))
        }
    }
}

private enum Zero {
    /// A down matrix of zeros for block 0.
    static func matrix(like model: any NetworkModel) -> any StructuredMatrix {
        let shape = model.linear(0, .down).weight.shape
        return Dense(Matrix(rows: shape.rows, columns: shape.columns))
    }
}
