/// A JSON file of settings such as `config.json`, kept whole: keys that nobody here knows are written back unchanged and in order.
///
/// The typed readers name file and key in their errors. A key whose value is null counts as absent, as in Hugging Face files.
public struct ModelConfiguration: Sendable, Equatable {
    public let file: String
    public var root: JSONObject
    /// Names of the sections around this one, each followed by a dot, for messages.
    let keyPrefix: String

    public init(file: String, root: JSONObject) {
        self.init(file: file, root: root, keyPrefix: "")
    }

    init(file: String, root: JSONObject, keyPrefix: String) {
        self.file = file
        self.root = root
        self.keyPrefix = keyPrefix
    }

    /// - Throws: `ModelFileError.notReadable`, `.tooLarge` (over 64 MB), `.notJSON`, `.wrongValue` when it is not an object.
    public init(file: String) throws(ModelFileError) {
        let value = try JSONValue.read(file: file)
        guard let root = value.objectValue else {
            throw .wrongValue(file: file, key: "", expected: "an object", got: value.kindDescription)
        }
        self.init(file: file, root: root)
    }

    /// Two spaces a level, members in order, a newline at the end.
    /// - Throws: `ModelFileError.notWritable`, `.notJSON`.
    public func write(to path: String) throws(ModelFileError) {
        let bytes: [UInt8]
        do throws(JSONError) {
            bytes = try JSONValue.object(root).serialized(pretty: true)
        } catch {
            throw .notJSON(file: path, error)
        }
        try AtomicFile.write(bytes, to: path)
    }

    /// What the model is: "bert", "llama", ...
    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`.
    public var modelType: String {
        get throws(ModelFileError) { try string("model_type") }
    }

    /// The value of a key; nil when it is absent or null.
    public func value(_ key: String) -> JSONValue? {
        // Not a conditional with nil: as a JSONValue, nil is null.
        guard let value = root[key], !value.isNull else { return nil }
        return value
    }

    /// Whether a key is there and not null.
    public func contains(_ key: String) -> Bool { value(key) != nil }

    /// A whole number within `range`. Without `default` the key must be there.
    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`.
    public func integer(
        _ key: String, in range: ClosedRange<Int> = 0...Int.max, default: Int? = nil
    ) throws(ModelFileError) -> Int {
        guard let value = value(key) else { return try orMissing(`default`, key) }
        guard let number = value.intValue, range.contains(number) else {
            throw wrong(key, "a whole number \(Self.describe(range))", value)
        }
        return number
    }

    /// A finite number within `range`; whole numbers are accepted.
    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`.
    public func double(
        _ key: String, in range: ClosedRange<Double>? = nil, default: Double? = nil
    ) throws(ModelFileError) -> Double {
        guard let value = value(key) else { return try orMissing(`default`, key) }
        guard let number = value.doubleValue, range?.contains(number) ?? true else {
            throw wrong(
                key, range.map { "a number from \($0.lowerBound) to \($0.upperBound)" } ?? "a number", value)
        }
        return number
    }

    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`.
    public func string(_ key: String, default: String? = nil) throws(ModelFileError) -> String {
        guard let value = value(key) else { return try orMissing(`default`, key) }
        guard let text = value.stringValue else { throw wrong(key, "a string", value) }
        return text
    }

    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`.
    public func bool(_ key: String, default: Bool? = nil) throws(ModelFileError) -> Bool {
        guard let value = value(key) else { return try orMissing(`default`, key) }
        guard let flag = value.boolValue else { throw wrong(key, "true or false", value) }
        return flag
    }

    /// One whole number or a list of them (`eos_token_id` comes in both forms); empty when absent.
    /// - Throws: `ModelFileError.wrongValue`.
    public func integers(_ key: String, in range: ClosedRange<Int> = 0...Int.max) throws(ModelFileError)
        -> [Int]
    {
        guard let value = value(key) else { return [] }
        guard let elements = value.arrayValue else { return [try integer(key, in: range)] }
        var numbers: [Int] = []
        numbers.reserveCapacity(elements.count)
        for element in elements {
            guard let number = element.intValue, range.contains(number) else {
                throw wrong(key, "whole numbers \(Self.describe(range))", element)
            }
            numbers.append(number)
        }
        return numbers
    }

    /// A nested object with the same readers; nil when absent or null.
    /// - Throws: `ModelFileError.wrongValue`.
    public func section(_ key: String) throws(ModelFileError) -> ModelConfiguration? {
        guard let value = value(key) else { return nil }
        guard let object = value.objectValue else { throw wrong(key, "an object", value) }
        return ModelConfiguration(file: file, root: object, keyPrefix: keyPrefix + key + ".")
    }

    func wrong(_ key: String, _ expected: String, _ value: JSONValue) -> ModelFileError {
        .wrongValue(file: file, key: keyPrefix + key, expected: expected, got: value.messageForm)
    }

    private func orMissing<Value>(_ value: Value?, _ key: String) throws(ModelFileError) -> Value {
        guard let value else { throw .missingKey(file: file, key: keyPrefix + key) }
        return value
    }

    private static func describe(_ range: ClosedRange<Int>) -> String {
        range.upperBound == Int.max
            ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
    }
}
