import Foundation
import ModelFiles
import Testing

/// Ids and texts recorded from the PyPI package `tokenizers` by Scripts/golden/make_tokenizer_goldens.py.
struct TokenizerGolden: Sendable, CustomTestStringConvertible {
    struct Case: Sendable {
        let text: String
        let ids: [Int]
        let decoded: String
        let decodedWithSpecial: String
    }

    let name: String
    let tokenizer: Tokenizer
    let addSpecialTokens: Bool
    let vocabularySize: Int
    let cases: [Case]
    let sweep: [String]

    var testDescription: String { name }

    init(_ name: String) throws {
        self.name = name
        let golden = try JSONValue.parse(TokenizerTestFiles.resource("golden-\(name).json"))
        let source = try #require(golden["tokenizer"]?.stringValue)
        var file = try JSONValue.parse(TokenizerTestFiles.source(source))
        for (path, value) in try #require(golden["changes"]?.objectValue) {
            file = Self.replacing(file, path.split(separator: "/").map(String.init)[...], with: value)
        }
        tokenizer = try Tokenizer.parse(try file.serialized(), file: source)
        addSpecialTokens = try #require(golden["add_special_tokens"]?.boolValue as Bool?)
        vocabularySize = try #require(golden["vocabulary_size"]?.intValue)
        sweep = golden["sweep"]?.arrayValue?.compactMap(\.stringValue) ?? []
        cases = try #require(golden["cases"]?.arrayValue).map { element in
            let text = try #require(element["text"]?.stringValue)
            let decoded = element["decoded"]?.stringValue ?? text
            return Case(
                text: text, ids: try #require(element["ids"]?.arrayValue).compactMap(\.intValue), decoded: decoded,
                decodedWithSpecial: element["decoded_with_special"]?.stringValue ?? decoded)
        }
    }

    private static func replacing(_ value: JSONValue, _ path: ArraySlice<String>, with new: JSONValue) -> JSONValue {
        guard let first = path.first else { return new }
        var object = value.objectValue ?? JSONObject()
        object[first] = replacing(object[first] ?? .null, path.dropFirst(), with: new)
        return .object(object)
    }
}

enum TokenizerTestFiles {
    static let packageRoot = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let tinyLlama = packageRoot.appending(path: "Models/tiny-llama")

    static let miniLM: URL? = {
        let candidates = [
            ProcessInfo.processInfo.environment["TESSERA_MINILM"].map { URL(filePath: $0) }, packageRoot.appending(path: ".demo/minilm"),
        ]
        return candidates.compactMap(\.self).first { FileManager.default.fileExists(atPath: $0.appending(path: "tokenizer.json").path) }
    }()

    /// The folder `shared`, which does not ship.
    static let shared: URL? = {
        let candidates = [
            ProcessInfo.processInfo.environment["TESSERA_DATA"].map { URL(filePath: $0) }, packageRoot.appending(path: "../shared"),
        ]
        return candidates.compactMap(\.self).first { FileManager.default.fileExists(atPath: $0.appending(path: "golden").path) }
    }()

    static func resource(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: packageRoot.appending(path: "Tests/ModelFilesTests/Resources/tokenizers").appending(path: name)))
    }

    /// The tokenizer file that a golden is about.
    static func source(_ name: String) throws -> [UInt8] {
        switch name {
        case "tiny-llama": Array(try Data(contentsOf: tinyLlama.appending(path: "tokenizer.json")))
        case "minilm": Array(try Data(contentsOf: try #require(miniLM).appending(path: "tokenizer.json")))
        default: try resource(name + ".json")
        }
    }
}

/// The texts of the sweep over Unicode: for each run of 128 scalars one text that has each of them in small contexts.
struct UnicodeSweep {
    let texts: [String]

    init() throws {
        let file = try JSONValue.parse(TokenizerTestFiles.resource("sweep.json"))
        let run = try #require(file["run"]?.intValue)
        var texts: [String] = []
        for range in try #require(file["ranges"]?.arrayValue) {
            let bounds = try #require(range.arrayValue).compactMap(\.intValue)
            let scalars = stride(from: bounds[0], to: bounds[1], by: bounds[2]).compactMap { Unicode.Scalar(UInt32($0)) }
            for start in stride(from: 0, to: scalars.count, by: run) {
                var text = String.UnicodeScalarView()
                for scalar in scalars[start..<min(start + run, scalars.count)] {
                    text.append(contentsOf: ["a", scalar, "b", " ", scalar, "1", scalar, "\n"])
                }
                texts.append(String(text))
            }
        }
        self.texts = texts
    }

    /// 64-bit FNV-1a over the ids, each as 4 little-endian bytes.
    static func digest(_ ids: [Int]) -> String {
        var value: UInt64 = 0xCBF2_9CE4_8422_2325
        for id in ids {
            for shift in stride(from: 0, to: 32, by: 8) { value = (value ^ UInt64(id >> shift & 0xFF)) &* 0x100_0000_01B3 }
        }
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
