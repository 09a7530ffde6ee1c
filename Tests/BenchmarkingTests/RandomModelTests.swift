import Benchmarking
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

struct RandomModelTests {
    private static func withFolder<Value>(_ body: (URL) throws -> Value) throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "tessera-random-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder)
    }

    private static func smallest(_ kind: RandomModelShape.Kind) throws -> RandomModelShape {
        try #require(RandomModelShape.all.first { $0.kind == kind })
    }

    @Test(arguments: RandomModelShape.Kind.allCases, [RandomModel.Storage.f16, .int4])
    func sameSeedSameBytes(kind: RandomModelShape.Kind, storage: RandomModel.Storage) throws {
        let shape = try Self.smallest(kind)
        try Self.withFolder { folder in
            func written(_ name: String, seed: UInt64, threads: Int) throws -> [Data] {
                let path = folder.appendingPathComponent(name)
                try RandomModel(shape: shape, storage: storage, seed: seed)
                    .write(to: path.path, context: ExecutionContext(threads: threads))
                return try ["model.safetensors", "config.json", "tokenizer.json"].map {
                    try Data(contentsOf: path.appendingPathComponent($0))
                }
            }
            let first = try written("a", seed: 7, threads: 1)
            #expect(try written("b", seed: 7, threads: 3) == first)
            let other = try written("c", seed: 8, threads: 1)
            #expect(other[0] != first[0])
            #expect(other[1] == first[1] && other[2] == first[2])
        }
    }

    @Test(arguments: RandomModel.Storage.allCases)
    func languageModelsLoadAndWrite(storage: RandomModel.Storage) throws {
        let shape = try Self.smallest(.llama)
        try Self.withFolder { folder in
            let path = folder.appendingPathComponent("model").path
            let bytes = try RandomModel(shape: shape, storage: storage, seed: 1).write(to: path)
            let file = try FileManager.default.attributesOfItem(atPath: path + "/model.safetensors")
            #expect((file[.size] as? Int) == bytes)
            let loaded = try LoadedModel.load(path)
            #expect(loaded.unusedTensors.isEmpty)
            #expect(loaded.stopTokens.isEmpty)
            let text = "Größe, 3 cats — and a dog.\n\u{1F600}"
            #expect(loaded.tokenizer.decode(loaded.tokenizer.encode(text)) == text)
            let model = try loaded.causal
            let isQuantized = storage == .int8 || storage == .int4
            for site in model.sites {
                #expect(
                    model[site: site.name].family.name == (isQuantized ? "quantized" : "dense"),
                    "\(site.name)")
            }
            let logits = try model.logits(loaded.tokenizer.encode("Once upon a time"), context: .serial)
            #expect(logits.columns == shape.vocabularySize)
            #expect(logits.elements.allSatisfy { $0.isFinite })
            #expect(Set(logits.elements).count > 1000)
            let generation = try loaded.generate("Once", options: GenerationOptions(maximumTokens: 5))
            #expect(generation.tokens.count == 5)
        }
    }

    @Test(arguments: [RandomModel.Storage.f16, .int8])
    func encodersLoadAndEmbed(storage: RandomModel.Storage) throws {
        try Self.withFolder { folder in
            let path = folder.appendingPathComponent("model").path
            try RandomModel(shape: try Self.smallest(.bert), storage: storage, seed: 1).write(to: path)
            let loaded = try LoadedModel.load(path)
            #expect(loaded.unusedTensors.isEmpty)
            let embeddings = try loaded.embed(["A cat sat.", "Something else entirely"])
            #expect(embeddings.columns == 384)
            for row in 0..<embeddings.rows {
                let squares = (0..<embeddings.columns).reduce(Float(0)) {
                    $0 + embeddings[row, $1] * embeddings[row, $1]
                }
                #expect(abs(squares - 1) < 1e-3)
            }
            #expect(embeddings.elements.prefix(384) != embeddings.elements.suffix(384))
        }
    }

    /// Numbers of parameters as published, without the poolers of BERT, which sentence encoders do not use.
    @Test(arguments: [
        ("llama", "15M", 15_191_712), ("llama", "110M", 109_529_856), ("llama", "1B", 1_100_048_384),
        ("bert", "22M", 22_565_376), ("bert", "110M", 108_891_648), ("bert", "335M", 334_092_288),
    ])
    func sizesAreThoseOfThePublishedModels(kind: String, parameters: String, count: Int) throws {
        let kind = try #require(RandomModelShape.Kind(rawValue: kind))
        let shape = try #require(RandomModelShape.named(parameters, kind: kind))
        #expect(RandomModel(shape: shape, storage: .f16, seed: 0).parameterCount == count)
    }

    @Test func aFolderThatIsThereStays() throws {
        try Self.withFolder { folder in
            try Data("mine".utf8).write(to: folder.appendingPathComponent("file"))
            let model = RandomModel(shape: try Self.smallest(.bert), storage: .int4, seed: 0)
            #expect(throws: ModelFileError.self) { try model.write(to: folder.path) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
        }
    }
}
