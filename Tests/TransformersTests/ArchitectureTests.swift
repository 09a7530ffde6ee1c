import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Every architecture against what Hugging Face transformers computed in float32.
@Suite struct ArchitectureTests {
    private let context = ExecutionContext(threads: 2)

    @Test(arguments: SmallFolders.texts) func tokensAreThoseOfTransformers(name: String) throws {
        let model = try SmallFolders.load(name)
        let texts = try #require(try SmallFolders.golden(name)["texts"]?.arrayValue)
        #expect(texts.count > 100)
        for entry in texts {
            let text = try #require(entry["text"]?.stringValue)
            #expect(model.tokenizer.encode(text) == entry["ids"]?.integers, "\(text.debugDescription)")
        }
    }

    @Test(arguments: SmallFolders.causal) func scoresAreThoseOfTransformers(name: String) throws {
        let model = try SmallFolders.load(name)
        #expect(model.unusedTensors.isEmpty)
        let causal = try model.causal
        let golden = try SmallFolders.golden(name)
        let columns = try #require(golden["columns"]?.integers)
        for entry in try #require(golden["sequences"]?.arrayValue) {
            let ids = try #require(entry["ids"]?.integers)
            let scores = try causal.logits(ids, context: context)
            let expected = try #require(entry["logits"]?.arrayValue).map(\.numbers)
            try #require(expected.count == ids.count)
            for (row, numbers) in expected.enumerated() {
                for (column, number) in zip(columns, numbers) { #expect(abs(Double(scores[row, column]) - number) < 1e-4) }
            }
            // Token by token through the cache.
            var (last, cache) = try causal.prefill([ids[0]], context: context)
            for (position, token) in ids.enumerated().dropFirst() {
                #expect(SmallModels.largestDifference(last, Array(scores.row(position - 1))) < 1e-5)
                last = try causal.decode(token, cache: &cache, context: context)
            }
            #expect(SmallModels.largestDifference(last, Array(scores.row(ids.count - 1))) < 1e-5)
        }
        for entry in try #require(golden["greedy"]?.arrayValue) {
            let expected = try #require(entry["continued"]?.integers)
            let result = try causal.generate(
                try #require(entry["ids"]?.integers), options: GenerationOptions(maximumTokens: expected.count),
                context: context)
            #expect(result.tokens == expected)
        }
    }

    @Test(arguments: SmallFolders.encoders) func vectorsAreThoseOfTransformers(name: String) throws {
        let model = try SmallFolders.load(name)
        #expect(model.unusedTensors.allSatisfy { $0.hasPrefix("pooler.") })
        let entries = try #require(try SmallFolders.golden(name)["sequences"]?.arrayValue)
        #expect(entries.count >= 4)
        for entry in entries {
            let got = try model.encoder.embed([try #require(entry["ids"]?.integers)], context: context).elements
            let expected = try #require(entry["mean"]?.numbers)
            try #require(got.count == expected.count)
            #expect(zip(got, expected).allSatisfy { abs(Double($0) - $1) < 1e-4 })
        }
    }

    @Test func imagesAreThoseOfTransformers() throws {
        var model = try SmallFolders.load("vit")
        #expect(model.unusedTensors == ["pooler.dense.bias", "pooler.dense.weight"])
        try model.take(images: SmallFolders.path("vit") + "/images.npy")
        #expect(model.imageSequences.count == 24)
        let got = try model.encoder.embed(model.imageSequences, context: context)
        let expected = try #require(try SmallFolders.golden("vit")["images"]?.arrayValue).map(\.numbers)
        for (row, numbers) in expected.enumerated() {
            #expect(zip(got.row(row), numbers).allSatisfy { abs(Double($0) - $1) < 1e-4 })
        }
        #expect(throws: TransformersError.sequenceTooLong(count: 8, maximum: 7)) {
            try model.encoder.embed([Array(0..<8)], context: context)
        }
    }

    @Test func imagesAreChecked() throws {
        var vit = try SmallFolders.load("vit")
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-\(UUID().uuidString).npy").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        try NumPyArray(Matrix(rows: 2, columns: 5)).write(to: file)
        #expect(throws: ModelFileError.numPy(file: file, array: nil, .notImages(shape: [2, 5]))) {
            try vit.take(images: file)
        }
        var bert = try SmallFolders.load("bert")
        #expect(
            throws: TransformersError.wrongKind(
                folder: SmallFolders.path("bert"), expected: "a model of images", got: "'bert'")
        ) { try bert.take(images: SmallFolders.path("vit") + "/images.npy") }
    }

    @Test(arguments: SmallFolders.causal + SmallFolders.encoders + ["vit"])
    func preparedMatricesAndThreadsChangeNothing(name: String) throws {
        var loaded = try SmallFolders.load(name)
        if name == "vit" { try loaded.take(images: SmallFolders.path("vit") + "/images.npy") }
        let sequences = name == "vit" ? loaded.imageSequences : [[3, 20, 7, 41, 5], [9], [60, 1, 2, 3, 4, 5, 6, 7, 8, 30, 31]]
        func outputs(_ model: any TransformerModel, _ context: ExecutionContext) throws -> Matrix {
            if let encoder = model as? any EncoderModel { return try encoder.embed(sequences, context: context) }
            let causal = try #require(model as? any CausalModel)
            var caches = sequences.map { _ in causal.makeCache() }
            _ = try causal.advance(sequences, caches: &caches, context: context)
            return try causal.advance(sequences.map { [$0[0]] }, caches: &caches, context: context)
        }
        let plain = try outputs(loaded.model, .serial)
        var prepared = loaded.model
        prepared.prepare(PreparationOptions(), context: context)
        let serial = try outputs(prepared, .serial)
        #expect(SmallModels.largestDifference(serial.elements, plain.elements) < 1e-5)
        #expect(try outputs(prepared, ExecutionContext(threads: 3)) == serial)
    }

    /// Setting any matrix to itself changes nothing, to another changes the outputs; observers see inputs of its width.
    @Test(arguments: SmallFolders.causal + SmallFolders.encoders + ["vit"])
    func everySiteIsReadAndReplaced(name: String) throws {
        var loaded = try SmallFolders.load(name)
        if name == "vit" { try loaded.take(images: SmallFolders.path("vit") + "/images.npy") }
        let sequences = name == "vit" ? Array(loaded.imageSequences[..<3]) : [[3, 20, 7, 41, 5], [60, 1, 2]]
        func outputs(_ model: any TransformerModel) throws -> [Float] {
            if let encoder = model as? any EncoderModel { return try encoder.embed(sequences, context: context).elements }
            return try #require(model as? any CausalModel).logits(sequences[0], context: context).elements
        }
        let before = try outputs(loaded.model)
        for site in loaded.model.sites {
            let weight = loaded.model[site: site.name].dense()
            #expect(MatrixShape(rows: weight.rows, columns: weight.columns) == site.shape)
            var copy = loaded.model
            copy[site: site.name] = Dense(weight)
            #expect(try outputs(copy) == before, "\(site.name)")
            copy[site: site.name] = Dense(
                Matrix(rows: weight.rows, columns: weight.columns) { weight[$0, $1] * (1.5 + Float($1 % 2)) + 0.05 })
            #expect(SmallModels.largestDifference(try outputs(copy), before) > 1e-5, "\(site.name)")
        }
        var seen: [String: Int] = [:]
        try loaded.model.observe(sequences, context: context) { seen[$0] = $1.columns }
        let expected = Dictionary(
            loaded.model.sites.compactMap { site in site.input.map { ($0, site.shape.columns) } },
            uniquingKeysWith: { first, _ in first })
        #expect(seen == expected)
    }
}
