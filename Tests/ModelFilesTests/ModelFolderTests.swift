import Foundation
import ModelFiles
import Testing

@Suite struct ModelFolderTests {
    private func model(_ extra: [String: String] = [:]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.write(#"{"model_type":"bert"}"#, to: "config.json")
        try folder.write(safetensors("{}"), to: "model.safetensors")
        for (name, text) in extra { try folder.write(text, to: name) }
        return folder
    }

    private static let modules = """
        [{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
         {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"},
         {"idx":2,"name":"2","path":"2_Normalize","type":"sentence_transformers.models.Normalize"}]
        """

    @Test func opens() throws {
        let place = try model()
        let folder = try ModelFolder(path: place.path)
        #expect(try folder.configuration.modelType == "bert")
        #expect(try folder.checkpoint().tensorNames == [])
        #expect(!folder.contains("tokenizer.json") && folder.contains("config.json"))
        #expect(try folder.settings(in: "generation_config.json") == nil)
        #expect(try folder.sentenceEmbeddingLayout() == nil)
        let missing = ModelFileError.notAModelFolder(folder: folder.path, reason: "tokenizer.json is missing")
        #expect(throws: missing) { try folder.requiredFile(ModelFolder.tokenizerFileName) }
    }

    @Test func saysWhyAFolderIsNone() throws {
        func message(_ path: String) -> String? {
            do {
                _ = try ModelFolder(path: path)
                return nil
            } catch { return error.description }
        }
        let folder = try TemporaryFolder()
        #expect(message(folder.file("x")) == "\(folder.file("x")): not a model folder: no such folder")
        #expect(message(folder.path) == "\(folder.path): not a model folder: config.json is missing")
        try folder.write("{}", to: "config.json")
        #expect(
            message(folder.file("config.json"))
                == "\(folder.file("config.json")): not a model folder: it is a file")
        let weights =
            "\(folder.path): not a model folder: model.safetensors or model.safetensors.index.json is missing"
        #expect(message(folder.path) == weights)
        try folder.write("", to: "pytorch_model.bin")
        #expect(
            message(folder.path) == weights + " (pytorch_model.bin is not read; convert it to safetensors)")
        try folder.write("", to: "config.json")
        #expect(message(folder.path) == "\(folder.file("config.json")): JSON ends too early at byte 0")
    }

    @Test func readsTheSentenceTransformersLayout() throws {
        let folder = try model([
            "modules.json": Self.modules,
            "sentence_bert_config.json": #"{"max_seq_length":256,"do_lower_case":false}"#,
            "1_Pooling/config.json":
                #"{"word_embedding_dimension":384,"pooling_mode_cls_token":false,"pooling_mode_mean_tokens":true}"#,
        ])
        let layout = try ModelFolder(path: folder.path).sentenceEmbeddingLayout()
        #expect(
            layout == SentenceEmbeddingLayout(pooling: .mean, normalizes: true, maximumSequenceLength: 256))
    }

    @Test(arguments: [
        (#"{"pooling_mode_cls_token":true}"#, SentenceEmbeddingLayout.Pooling.cls),
        (#"{"pooling_mode_max_tokens":true,"pooling_mode_mean_tokens":false}"#, .max),
        (#"{"pooling_mode":"mean"}"#, .mean),
    ])
    func readsEveryPooling(settings: String, pooling: SentenceEmbeddingLayout.Pooling) throws {
        let modules = Self.modules.components(separatedBy: ",\n").prefix(2).joined(separator: ",") + "]"
        let folder = try model(["modules.json": modules, "1_Pooling/config.json": settings])
        let layout = try ModelFolder(path: folder.path).sentenceEmbeddingLayout()
        #expect(
            layout == SentenceEmbeddingLayout(pooling: pooling, normalizes: false, maximumSequenceLength: nil)
        )
    }

    @Test(arguments: [
        (
            "1_Pooling\"", "../x\"",
            #"modules.json: "1.path": expected the plain name of a folder, got "../x""#
        ),
        (
            "1_Pooling\"", "/etc\"",
            #"modules.json: "1.path": expected the plain name of a folder, got "/etc""#
        ),
        ("1_Pooling\"", "\"", #"modules.json: "1.path": expected the plain name of a folder, got """#),
        (
            "models.Normalize", "models.Dense",
            #"modules.json: "2.type": expected the modules Transformer, Pooling, Normalize in that order, got "sentence_transformers.models.Dense""#
        ),
        (
            "\"path\":\"\"", "\"path\":\"0_T\"",
            #"modules.json: "0.path": expected the model folder itself (""), got "0_T""#
        ),
    ])
    func refusesModules(place: String, replacement: String, message: String) throws {
        let folder = try model([
            "modules.json": Self.modules.replacing(place, with: replacement),
            "1_Pooling/config.json": #"{"pooling_mode":"cls"}"#,
        ])
        let error = #expect(throws: ModelFileError.self) {
            try ModelFolder(path: folder.path).sentenceEmbeddingLayout()
        }
        #expect(error?.description == folder.file(message))
    }

    @Test(arguments: [
        (
            #"{"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":true}"#,
            #""pooling_mode_cls_token and pooling_mode_mean_tokens""#
        ),
        (#"{"pooling_mode_lasttoken":true}"#, #""pooling_mode_lasttoken""#), ("{}", "none"),
    ])
    func refusesAPooling(settings: String, got: String) throws {
        let folder = try model(["modules.json": Self.modules, "1_Pooling/config.json": settings])
        let error = #expect(throws: ModelFileError.self) {
            try ModelFolder(path: folder.path).sentenceEmbeddingLayout()
        }
        #expect(
            error?.description
                == folder.file(
                    #"1_Pooling/config.json: "pooling_mode": expected one of mean, cls and max, got \#(got)"#)
        )
    }

    @Test func listsAndCopiesAuxiliaryFiles() throws {
        let folder = try model([
            "tokenizer.json": "T", "vocab.txt": "V", "README.md": "R", "1_Pooling/config.json": "{}",
            "report.json": "r",
            "pytorch_model.bin": "w", "model.safetensors.index.json": "{}", "onnx/model.onnx": "w",
            ".gitattributes": "g",
            "pytorch_model.bin.index.json": "{}", "LICENSE": "L",
        ])
        let source = try ModelFolder(path: folder.path)
        let names = try source.auxiliaryFiles().map(\.name)
        #expect(names == ["1_Pooling/config.json", "LICENSE", "README.md", "tokenizer.json", "vocab.txt"])
        let target = try TemporaryFolder()
        try target.write("mine", to: "README.md")
        try source.copyAuxiliaryFiles(to: target.path)
        #expect(try target.names() == ["1_Pooling", "LICENSE", "README.md", "tokenizer.json", "vocab.txt"])
        #expect(try target.bytes("README.md") == Array("mine".utf8))
        #expect(try target.bytes("tokenizer.json") == Array("T".utf8))
        #expect(try target.bytes("1_Pooling/config.json") == Array("{}".utf8))
    }

    @Test func followsNoLinkOutOfTheFolder() throws {
        let folder = try model(["vocab.txt": "V"])
        let outside = try TemporaryFolder()
        try outside.write("secret", to: "secret.txt")
        let manager = FileManager.default
        try manager.createSymbolicLink(atPath: folder.file("inside.txt"), withDestinationPath: "vocab.txt")
        let source = try ModelFolder(path: folder.path)
        #expect(try source.auxiliaryFiles().map(\.name) == ["inside.txt", "vocab.txt"])
        try manager.createSymbolicLink(
            atPath: folder.file("merges.txt"), withDestinationPath: outside.file("secret.txt"))
        let error = #expect(throws: ModelFileError.self) { try source.auxiliaryFiles() }
        guard case .linkLeavesFolder(folder.file("merges.txt"), let target) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(target.hasSuffix("/secret.txt"))
        #expect(
            error?.description
                == "\(folder.file("merges.txt")): symbolic link to \(target), outside the folder")
    }

    @Test func followsLinksIntoTheBlobsOfACache() throws {
        let cache = try TemporaryFolder()
        try cache.write(#"{"model_type":"bert"}"#, to: "blobs/1")
        try cache.write(safetensors("{}"), to: "blobs/2")
        try cache.write("T", to: "blobs/3")
        let snapshot = cache.file("snapshots/abc")
        try FileManager.default.createDirectory(atPath: snapshot, withIntermediateDirectories: true)
        for (name, blob) in [("config.json", 1), ("model.safetensors", 2), ("tokenizer.json", 3)] {
            try FileManager.default.createSymbolicLink(
                atPath: snapshot + "/" + name, withDestinationPath: "../../blobs/\(blob)")
        }
        let source = try ModelFolder(path: snapshot)
        #expect(try source.auxiliaryFiles().map(\.name) == ["tokenizer.json"])
        let target = try TemporaryFolder()
        try source.copyAuxiliaryFiles(to: target.path)
        #expect(try target.bytes("tokenizer.json") == Array("T".utf8))
    }

    @Test func refusesATooLargeAuxiliaryFile() throws {
        let folder = try model(["notes.txt": ""])
        // Sparse: takes no space on the disk.
        let handle = try #require(FileHandle(forWritingAtPath: folder.file("notes.txt")))
        try handle.truncate(atOffset: 268_435_457)
        let error = #expect(throws: ModelFileError.self) {
            try ModelFolder(path: folder.path).auxiliaryFiles()
        }
        #expect(
            error == .tooLarge(file: folder.file("notes.txt"), byteCount: 268_435_457, limit: 268_435_456))
    }

    @Test(.enabled(if: MiniLM.path != nil, "all-MiniLM-L6-v2 is not here: set TESSERA_MINILM"))
    func opensMiniLM() throws {
        let folder = try ModelFolder(path: try #require(MiniLM.path))
        #expect(try folder.configuration.integer("hidden_size") == 384)
        let checkpoint = try folder.checkpoint()
        #expect(
            try checkpoint.tensor(named: "encoder.layer.0.attention.self.query.weight").shape == [384, 384])
        let layout = try folder.sentenceEmbeddingLayout()
        #expect(
            layout == SentenceEmbeddingLayout(pooling: .mean, normalizes: true, maximumSequenceLength: 256))
        #expect(try folder.auxiliaryFiles().contains { $0.name == "tokenizer.json" })
    }
}

enum MiniLM {
    static let path: String? = {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let path =
            ProcessInfo.processInfo.environment["TESSERA_MINILM"]
            ?? package.appendingPathComponent(".demo/minilm").path
        return FileManager.default.fileExists(atPath: path + "/config.json") ? path : nil
    }()
}
