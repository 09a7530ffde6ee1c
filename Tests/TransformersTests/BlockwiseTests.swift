import Foundation
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Blocks one after another over all sequences see what the whole model shows, bit for bit.
@Suite struct BlockwiseTests {
    private let context = ExecutionContext(threads: 2)

    private func expectSame(_ model: any NetworkModel, _ sequences: [[Int]]) throws {
        var whole: [String: [Matrix]] = [:]
        try model.observe(sequences, context: context) { whole[$0, default: []].append(Matrix(copying: $1)) }

        let batches = model.batches(sequences)
        #expect(batches.map(\.count).reduce(0, +) == sequences.count)
        var states: [Matrix?] = batches.map { _ in nil }
        var seen: [String: [Matrix]] = [:]
        for block in 0..<model.blockCount {
            var names: Set<String> = []
            for (index, batch) in batches.enumerated() {
                func see(_ name: String, _ inputs: MatrixView) {
                    names.insert(name)
                    seen[name, default: []].append(Matrix(copying: inputs))
                }
                let own = Array(sequences[batch])
                let before = try states[index] ?? model.states(own, context: context, observer: see)
                states[index] = try model.run(block..<block + 1, on: before, of: own, context: context, observer: see)
                #expect(states[index]?.columns == model.hiddenSize)
                if index == 0 { try expectNoMore(than: model, block, before, own) }
            }
            #expect(names == Set(model.inputs(ofBlock: block)))
        }
        #expect(seen == whole)
        #expect(Set(whole.keys) == Set(model.sites.compactMap(\.input)))
    }

    /// A block that is run for one of its inputs shows the same bits, and nothing behind that input.
    private func expectNoMore(than model: any NetworkModel, _ block: Int, _ states: Matrix, _ sequences: [[Int]]) throws {
        var whole: [(name: String, inputs: Matrix)] = []
        _ = try model.run(block..<block + 1, on: states, of: sequences, context: context) {
            whole.append(($0, Matrix(copying: $1)))
        }
        for (place, (name, _)) in whole.enumerated() where model.sites.contains(where: { $0.input == name && $0.role == .linear }) {
            for threads in [1, 2, 3] {
                var seen: [(name: String, inputs: Matrix)] = []
                try model.observe(
                    block, on: states, of: sequences, wanted: [name], context: ExecutionContext(threads: threads)
                ) { seen.append(($0, Matrix(copying: $1))) }
                #expect(seen.map(\.name) == whole.prefix(place + 1).map(\.name), "\(name)")
                #expect(seen.last?.inputs == whole[place].inputs, "\(name)")
            }
        }
    }

    @Test func llamas() throws {
        try expectSame(SmallModels.llama(), SmallModels.sequences(60))
        let loaded = try LoadedModel.load(RealInputs.tinyLlama)
        let tokens = loaded.tokenizer.encode("My fellow citizens, the work before us is not the work of a day.")
        // One batch of several sequences, one of a long sequence, and one of fewer tokens than threads.
        let long = Array((0..<40).flatMap { _ in tokens }.prefix(256))
        let model = try #require(loaded.model as? any NetworkModel)
        try expectSame(model, [tokens, long, long, Array(tokens.prefix(3)), tokens])
        try expectSame(model, [[1]])
    }

    @Test func encoders() throws { try expectSame(SmallModels.bert(), SmallModels.sequences(60)) }

    @Test func aStreamedModelComputesTheSameBits() throws {
        let (kept, streamed) = (
            try LoadedModel.load(RealInputs.tinyLlama), try LoadedModel.load(RealInputs.tinyLlama, isStreamed: true)
        )
        let tokens = kept.tokenizer.encode("My fellow citizens, the work before us is not the work of a day.")
        let expected = try kept.causal.logits(tokens, context: context)
        for _ in 0..<2 { #expect(try streamed.causal.logits(tokens, context: context) == expected) }
        #expect(try streamed.causal.logits(tokens, context: .serial) == expected)
        for site in kept.model.sites {
            #expect(streamed.model[site: site.name].dense() == kept.model[site: site.name].dense())
        }
    }

    @Test func aModelOfUnknownArchitectureShowsItsMatrices() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.copyItem(
            atPath: RealInputs.tinyLlama + "/model.safetensors",
            toPath: folder.appendingPathComponent("model.safetensors").path)
        try Data(#"{"model_type": "mamba"}"#.utf8).write(to: folder.appendingPathComponent("config.json"))
        let plain = try LoadedModel.loadMatrices(folder.path)
        let known = try LoadedModel.load(RealInputs.tinyLlama)
        #expect(plain.model is PlainModel)
        #expect(Set(plain.model.sites.map(\.name)) == Set(known.model.sites.map(\.name)))
        for site in plain.model.sites {
            #expect(plain.model[site: site.name].dense() == known.model[site: site.name].dense())
            #expect((site.role == .embedding) == (site.name == "model.embed_tokens"))
        }
        #expect(throws: TransformersError.self) { try plain.causal }
        #expect(throws: TransformersError.sequenceTooLong(count: 1, maximum: 0)) {
            try plain.model.observe([[0]], context: context) { _, _ in }
        }
        // Where the architecture is known, it is as `load`.
        #expect(try LoadedModel.loadMatrices(RealInputs.tinyLlama).model is CausalTransformer)
    }
}
