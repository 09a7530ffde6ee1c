import Foundation
import ModelFiles

/// What a kind of file of results has of its own.
public protocol ResultsFormat {
    associatedtype Key: ResultKey
    associatedtype Measured: ResultMeasurement
    /// What the file says of the dense model.
    associatedtype Dense: ResultMeasurement

    /// The member that holds the format's version: "tessera_compression".
    static var name: String { get }
    static var version: Int { get }
    /// What is told of all rows together.
    static func summary(_ results: ModelResults<Self>) -> JSONObject
}

/// The rows of one model in a file that holds several.
@dynamicMemberLookup
public struct ModelResults<Format: ResultsFormat>: Sendable {
    public typealias Row = ResultRow<Format.Key, Format.Measured>

    public let model: String
    /// What rows must agree in to stand together.
    public let identity: [(name: String, value: String)]
    public let dense: Format.Dense
    public internal(set) var rows: [Row] = []
    /// The other models of the file, as they were.
    private var others: [JSONValue] = []

    init(model: String, identity: [(name: String, value: String)], dense: Format.Dense) {
        self.model = model
        self.identity = identity
        self.dense = dense
    }

    public subscript<Value>(dynamicMember member: KeyPath<Format.Dense, Value>) -> Value { dense[keyPath: member] }

    func row(_ key: Format.Key) -> Row? { rows.first { $0.key == key } }

    // MARK: - The file

    /// Takes over what a file has, where it is there.
    /// - Throws: `ModelFileError`; `CompressionError.studyUnreadable`, `.studyMismatch`.
    mutating func read(_ file: String) throws {
        guard FileManager.default.fileExists(atPath: file) else { return }
        for section in try Self.sections(file) {
            guard section["model"]?.stringValue == model else {
                others.append(section)
                continue
            }
            let differs = identity.filter { section[$0.name]?.stringValue != $0.value }.map(\.name)
            guard differs.isEmpty else { throw CompressionError.studyMismatch(file: file, differs: differs) }
            rows = try Self.rows(section, file)
        }
    }

    private static func sections(_ file: String) throws -> [JSONValue] {
        let document = try JSONValue.read(file: file)
        guard document[Format.name]?.intValue == Format.version, let sections = document["models"]?.arrayValue else {
            throw CompressionError.studyUnreadable(
                file: file, reason: "expected \"\(Format.name)\": \(Format.version) and \"models\"")
        }
        return sections
    }

    private static func rows(_ section: JSONValue, _ file: String) throws -> [Row] {
        try (section["rows"]?.arrayValue ?? []).enumerated().map { index, entry in
            guard let row = Row(json: entry) else {
                throw CompressionError.studyUnreadable(file: file, reason: "row \(index) is incomplete")
            }
            return row
        }
    }

    /// All the models of a file.
    /// - Throws: as `read`.
    package static func all(_ file: String) throws -> [ModelResults] {
        try sections(file).map { section in
            guard let model = section["model"]?.stringValue, let dense = section["dense"].flatMap({ Format.Dense(json: $0) })
            else { throw CompressionError.studyUnreadable(file: file, reason: "a model is incomplete") }
            let identity = section.objectValue?.compactMap { member in
                member.value.stringValue.map { (name: member.key, value: $0) }
            }
            var results = ModelResults(
                model: model, identity: identity?.filter { $0.name != "model" } ?? [], dense: dense)
            results.rows = try rows(section, file)
            return results
        }
    }

    /// Writes the file with this model in its place among the others, by their names.
    /// - Throws: `ModelFileError.notWritable`.
    func write(_ file: String) throws {
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let sections = (others + [json]).sorted { ($0["model"]?.stringValue ?? "") < ($1["model"]?.stringValue ?? "") }
        var document = JSONObject()
        document[Format.name] = JSONValue(integer: Format.version)
        document["models"] = .array(sections)
        try AtomicFile.write(try JSONValue.object(document).serialized(pretty: true) + [UInt8(ascii: "\n")], to: file)
    }

    /// This model's part of the document.
    package var json: JSONValue {
        var object = JSONObject()
        object["model"] = .string(model)
        for (name, value) in identity { object[name] = .string(value) }
        object["dense"] = .object(dense.members)
        object["rows"] = .array(rows.map(\.json))
        for (name, value) in Format.summary(self) { object[name] = value }
        return .object(object)
    }
}
