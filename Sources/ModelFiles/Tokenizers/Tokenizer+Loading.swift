import Foundation

extension Tokenizer {
    /// Of a model that reads no text: every text has no ids.
    public static let none = Tokenizer(
        model: .bytePair(
            BytePairModel(
                vocabulary: Vocabulary(), merges: [:], unknownID: nil, fusesUnknown: false, byteTokens: nil,
                ignoresMerges: false)),
        normalizer: nil, preTokenizer: nil, postProcessor: PostProcessor(), decoder: nil, addedTokens: [])

    /// Reads a `tokenizer.json`, or the one in a model folder; older folders of byte-level models have `vocab.json` and
    /// `merges.txt` instead.
    ///
    /// Cost: one pass over the file; memory a small multiple of its size, whatever it contains.
    /// - Throws: `TokenizerError`, also for every part of the file that is not supported: nothing is skipped in silence.
    public static func load(from location: URL) throws(TokenizerError) -> Tokenizer {
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: location.path, isDirectory: &isFolder)
        let file = isFolder.boolValue ? location.appendingPathComponent("tokenizer.json") : location
        guard exists, !isFolder.boolValue || FileManager.default.fileExists(atPath: file.path) else {
            if exists, let old = try VocabularyFiles(folder: location) { return try build(try old.root()) }
            throw .unreadable(file: file.path, reason: "no such file")
        }
        let data = try contents(of: file)
        let result: Result<Tokenizer, TokenizerError> = data.withUnsafeBytes { bytes in
            do throws(TokenizerError) {
                return .success(try parse(bytes, file: file.path))
            } catch { return .failure(error) }
        }
        return try result.get()
    }

    static func contents(of file: URL) throws(TokenizerError) -> Data {
        do { return try Data(contentsOf: file, options: .mappedIfSafe) } catch {
            throw .unreadable(file: file.path, reason: "the file could not be opened")
        }
    }

    /// Reads the contents of a `tokenizer.json`.
    /// - Parameter file: the name that errors give.
    public static func parse(_ bytes: UnsafeRawBufferPointer, file: String) throws(TokenizerError) -> Tokenizer {
        let document: JSONValue
        do throws(JSONError) { document = try JSONValue.parse(bytes) } catch { throw .invalidJSON(file: file, error: error) }
        guard let members = document.objectValue else {
            throw .malformed(file: file, path: "the file", expected: "an object", found: document.kindDescription)
        }
        return try build(TokenizerFileSection(file: file, path: "", members: members))
    }

    /// Reads the contents of a `tokenizer.json`.
    /// - Parameter file: the name that errors give.
    public static func parse(_ bytes: [UInt8], file: String) throws(TokenizerError) -> Tokenizer {
        let result: Result<Tokenizer, TokenizerError> = bytes.withUnsafeBytes { raw in
            do throws(TokenizerError) { return .success(try parse(raw, file: file)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// One that knows no word, for models that are not run.
    package static func withoutTokens() throws(TokenizerError) -> Tokenizer {
        let text = #"{"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0}}}"#
        return try parse(Array(text.utf8), file: "no tokenizer")
    }

    private static func build(_ root: TokenizerFileSection) throws(TokenizerError) -> Tokenizer {
        try root.allowOnly([
            "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model",
        ])
        if let version = root.value("version"), version.stringValue != "1.0" {
            throw root.unsupported("version", TokenizerFileSection.describe(version))
        }
        guard let modelSection = try root.section("model") else { throw root.malformed("model", expected: "an object", nil) }
        let model = try TokenModel(modelSection)
        let normalizer = try root.section("normalizer").map { section throws(TokenizerError) in try Normalizer(section) }
        if let normalizer, normalizer.growth > Normalizer.maximumGrowth {
            throw root.unsupported("normalizer", "making text more than \(Int(Normalizer.maximumGrowth)) times longer")
        }
        let addedTokens = try AddedToken.list(in: root, vocabulary: model.vocabulary, normalizer: normalizer)
        let preTokenizer = try root.section("pre_tokenizer").map { section throws(TokenizerError) in try PreTokenizer(section) }
        let decoder = try root.section("decoder").map { section throws(TokenizerError) in try TokenDecoder(section) }
        if let preTokenizer, preTokenizer.byteLevelSteps > 1 {
            throw root.unsupported("pre_tokenizer", "ByteLevel more than once")
        }
        if let decoder, decoder.growth > Normalizer.maximumGrowth {
            throw root.unsupported("decoder", "making text more than \(Int(Normalizer.maximumGrowth)) times longer")
        }
        let ids = Set(addedTokens.map(\.id))
        return Tokenizer(
            model: model,
            normalizer: normalizer,
            preTokenizer: preTokenizer,
            postProcessor: try root.section("post_processor").map { section throws(TokenizerError) in
                try PostProcessor(section) { ids.contains($0) || model.vocabulary.token($0) != nil }
            } ?? PostProcessor(),
            decoder: decoder,
            addedTokens: addedTokens)
    }
}
