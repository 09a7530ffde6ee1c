import ModelFiles
import Tensors
import Testing

/// Damaged settings and indexes are either read or refused in one line that names a file of the folder.
@Suite struct ModelFolderMutationTests {
    private static let configuration =
        #"{"model_type":"bert","hidden_size":384,"tessera":{"format_version":1,"matrices":{"a":{"family":"low-rank","#
        + #""shape":[4,6],"attributes":{"rank":2}}}}}"#
    private static let index = #"{"metadata":{"total_size":4},"weight_map":{"a":"x.safetensors"}}"#
    private static let modules = #"[{"path":"","type":"m.Transformer"},{"path":"P","type":"m.Pooling"}]"#
    private static let pooling = #"{"pooling_mode_mean_tokens":true}"#

    @Test(arguments: ["config.json", Checkpoint.indexFileName, "modules.json", "P/config.json"])
    func everyByteCutOrChanged(name: String) throws {
        let files = [
            "config.json": Self.configuration, Checkpoint.indexFileName: Self.index,
            "modules.json": Self.modules, "P/config.json": Self.pooling,
        ]
        let folder = try TemporaryFolder()
        for (file, text) in files { try folder.write(text, to: file) }
        try SafetensorsWriter.write([("a", try Tensor([1], shape: [1]))], to: folder.file("x.safetensors"))
        #expect(refusal(folder) == nil)

        let valid = Array(try #require(files[name]).utf8)
        var generator = SeededGenerator(seed: 2)
        var mutants = valid.indices.map { Array(valid[..<$0]) }
        for position in valid.indices {
            let random = UInt8(truncatingIfNeeded: generator.next())
            for byte in [random, 0xFF, UInt8(ascii: "9"), UInt8(ascii: "\""), UInt8(ascii: "/")] {
                var mutant = valid
                mutant[position] = byte
                mutants.append(mutant)
            }
        }
        var refused = 0
        for mutant in mutants {
            try folder.write(mutant, to: name)
            guard let message = refusal(folder) else { continue }
            refused += 1
            let lineCount = message.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).count
            #expect(lineCount == 1, "\(message)")
            #expect(message.hasPrefix(folder.path), "\(message)")
        }
        #expect(refused > mutants.count / 2)
    }

    /// What opening the whole folder says; nil when it opens.
    private func refusal(_ folder: TemporaryFolder) -> String? {
        do {
            let model = try ModelFolder(path: folder.path)
            _ = try model.configuration.structuredEntries()
            _ = try model.configuration.integer("hidden_size", in: 1...1_000_000)
            _ = try model.sentenceEmbeddingLayout()
            let checkpoint = try model.checkpoint()
            for name in checkpoint.tensorNames { _ = try checkpoint.tensor(named: name) }
            return nil
        } catch { return error.description }
    }
}
