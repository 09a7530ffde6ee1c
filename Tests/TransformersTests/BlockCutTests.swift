import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Blocks run a few at a time give what the whole model gives.
@Suite struct BlockCutTests {
    private let context = ExecutionContext(threads: 2)
    private var models: [any NetworkModel] {
        get throws { [try SmallModels.bert(), try SmallModels.llama(), try SmallModels.llama(changing: ["mlp_bias": true])] }
    }

    @Test(arguments: [1, 2, 5]) func anyCutGivesTheBitsOfOneRun(threads: Int) throws {
        for model in try models {
            for count in [1, 90] {
                let sequences = SmallModels.sequences(count)
                var expected: [String: [Float]] = [:]
                try model.observe(sequences, context: context) { name, activations in
                    for row in 0..<activations.rows {
                        expected[name, default: []] += UnsafeBufferPointer(start: activations.row(row), count: activations.columns)
                    }
                }
                let context = ExecutionContext(threads: threads)
                for cuts in [[0..<model.blockCount], [0..<1, 1..<model.blockCount]] {
                    var states = try model.states(sequences, context: context)
                    var seen: [String: [Float]] = [:]
                    for blocks in cuts {
                        states = try model.run(blocks, on: states, of: sequences, context: context) { name, activations in
                            for row in 0..<activations.rows {
                                seen[name, default: []]
                                    += UnsafeBufferPointer(start: activations.row(row), count: activations.columns)
                            }
                        }
                    }
                    #expect(seen == expected)
                    #expect(states.rows == sequences.reduce(0) { $0 + $1.count })
                }
            }
        }
    }

    @Test func biasesAndNormsAreReadAndReplaced() throws {
        for var model in try models {
            let before = try outputs(model)
            let biases = model.sites.filter { model[bias: $0.name] != nil }.map(\.name)
            #expect(biases.count == (model is TransformerEncoder ? 12 : model.sites.contains { model[bias: $0.name] != nil } ? 6 : 0))
            for site in model.sites {
                guard let bias = model[bias: site.name] else {
                    // There is no place for one.
                    model[bias: site.name] = [Float](repeating: 1, count: site.shape.rows)
                    #expect(model[bias: site.name] == nil && site.role == .embedding || !(model is TransformerEncoder))
                    continue
                }
                #expect(bias.count == site.shape.rows)
                var copy = model
                copy[bias: site.name] = bias.enumerated().map { $1 + 0.3 * Float($0 % 3) }
                #expect(copy[bias: site.name] != bias)
                // The same for every key of a query changes nothing of BERT's attention.
                if !site.name.hasSuffix("key") { #expect(try outputs(copy) != before, "\(site.name)") }
            }
            #expect(try outputs(model) == before)
            for norm in model.norms {
                let values = model[norm: norm.name]
                #expect((values.shift != nil) == (model is TransformerEncoder))
                var copy = model
                copy[norm: norm.name].gain = values.gain.enumerated().map { $1 * (1 + 0.1 * Float($0 % 3)) }
                #expect(try outputs(copy) != before, "\(norm.name)")
            }
            #expect(model.norms.count == 2 * model.blockCount + 1)
        }
    }

    private func outputs(_ model: any NetworkModel) throws -> [Float] {
        if let encoder = model as? any EncoderModel { return try encoder.embed([[3, 5, 8, 13, 2]], context: context).elements }
        guard let causal = model as? any CausalModel else { return [] }
        return try causal.logits([3, 5, 8, 13, 2], context: context).elements
    }
}
