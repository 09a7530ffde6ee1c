import ModelFiles
import Testing

/// Damaged files: whatever the bytes, loading gives a tokenizer that works or one line that names the file. A trap would end the
/// whole test run, so passing is the proof that there is none.
@Suite struct TokenizerMutationTests {
    private static let texts = ["the old mill 12345 don't 🙂 é\u{301} 日本", "", " <s> [SEP] <|end_of_text|>", "\u{0}\u{FFFD}\n\n x"]

    @discardableResult
    private func load(_ bytes: [UInt8]) -> Bool {
        do {
            let tokenizer = try Tokenizer.parse(bytes, file: "damaged.json")
            for text in Self.texts {
                let ids = tokenizer.encode(text)
                _ = tokenizer.decode(ids)
                _ = tokenizer.decode(ids.reversed(), skipSpecialTokens: false)
                #expect(tokenizer.encode(text, maximumLength: 3).count <= max(3, tokenizer.encode("").count))
            }
            return true
        } catch {
            let message = error.description
            #expect(message.hasPrefix("damaged.json: ") && !message.contains { $0.isNewline } && message.utf8.count < 600)
            return false
        }
    }

    /// The small files with their vocabulary cut down, so that most of the bytes are structure.
    private func smallFile(_ name: String) throws -> [UInt8] {
        let file = try JSONValue.parse(TokenizerTestFiles.resource(name))
        guard var root = file.objectValue, var model = root["model"]?.objectValue else { return [] }
        if let merges = model["merges"]?.arrayValue { model["merges"] = .array(Array(merges.prefix(20))) }
        root["model"] = .object(model)
        return try JSONValue.object(root).serialized()
    }

    @Test(arguments: ["wordpiece.json", "llama3.json", "characters.json"])
    func truncations(name: String) throws {
        let bytes = try smallFile(name)
        #expect(load(bytes))
        for step in 0..<150 { #expect(!load(Array(bytes.prefix(step * bytes.count / 150)))) }
    }

    /// A linear congruential generator (Knuth's MMIX constants) picks the places: the same damage in every run.
    @Test(arguments: ["wordpiece.json", "llama3.json", "characters.json"])
    func singleByteChanges(name: String) throws {
        let bytes = try smallFile(name)
        let replacements: [UInt8] = Array("\"\\{}[],:0-9.eEntf /\u{1}".utf8) + [0xFF, 0xC3, 0x80, 0xED]
        var state: UInt64 = 7
        func next(below bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(bound))
        }
        var refused = 0
        for _ in 0..<150 {
            var damaged = bytes
            let place = next(below: bytes.count)
            damaged[place] = replacements[next(below: replacements.count)]
            if !load(damaged) { refused += 1 }
        }
        #expect(refused > 30)
    }

    /// Every value of the file, one after the other, replaced by each of these.
    @Test(arguments: ["wordpiece.json", "llama3.json", "characters.json"])
    func hostileValues(name: String) throws {
        let file = try JSONValue.parse(try smallFile(name))
        let hostile: [JSONValue] = [
            nil, true, -1, 4_294_967_295, .integer(.max), .integer(.min), 1e300, 0.5, "", "x", "\u{0}", [], [:], ["a": 1], [[[]]],
            .string(String(repeating: "a", count: 10_000)),
        ]
        var paths: [[String]] = []
        Self.collectPaths(file, [], &paths)
        #expect(paths.count > 50)
        var loaded = 0
        for (index, path) in paths.enumerated() {
            // All of them at a few places would not be wider, only slower.
            for offset in 0..<4 where load(try Self.replacing(file, path[...], hostile[(index * 5 + offset * 3) % hostile.count]).serialized()) {
                loaded += 1
            }
        }
        #expect(loaded < paths.count * 4)
    }

    /// Members taken out one at a time.
    @Test(arguments: ["wordpiece.json", "llama3.json", "characters.json"])
    func missingMembers(name: String) throws {
        let file = try JSONValue.parse(try smallFile(name))
        var paths: [[String]] = []
        Self.collectPaths(file, [], &paths)
        for path in paths { load(try Self.replacing(file, path[...], nil, removing: true).serialized()) }
    }

    /// Paths of all values; of long lists and objects only the first few members.
    private static func collectPaths(_ value: JSONValue, _ path: [String], _ paths: inout [[String]]) {
        if !path.isEmpty { paths.append(path) }
        switch value {
        case .object(let object): for member in object.prefix(9) { collectPaths(member.value, path + [member.key], &paths) }
        case .array(let elements):
            for (index, element) in elements.prefix(3).enumerated() { collectPaths(element, path + ["#\(index)"], &paths) }
        default: break
        }
    }

    private static func replacing(
        _ value: JSONValue, _ path: ArraySlice<String>, _ new: JSONValue, removing: Bool = false
    ) -> JSONValue {
        guard let first = path.first else { return new }
        if first.hasPrefix("#"), let index = Int(first.dropFirst()), var elements = value.arrayValue, index < elements.count {
            if path.count == 1, removing {
                elements.remove(at: index)
            } else {
                elements[index] = replacing(elements[index], path.dropFirst(), new, removing: removing)
            }
            return .array(elements)
        }
        guard var object = value.objectValue else { return new }
        object[first] =
            path.count == 1 && removing ? JSONValue?.none : replacing(object[first] ?? .null, path.dropFirst(), new, removing: removing)
        return .object(object)
    }
}
