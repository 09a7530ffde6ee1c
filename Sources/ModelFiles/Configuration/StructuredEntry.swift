/// One compressed matrix as `config.json` records it: which family stores it, the shape it stands for, the family's
/// integers, and the same of the parts that a composed matrix is made of.
///
/// Plain data: what a family's name and attributes mean is known to `StructuredMatrices` alone.
public struct StructuredEntry: Sendable, Equatable {
    public let family: String
    public let rows: Int
    public let columns: Int
    public let attributes: [String: Int]
    public let parts: [StructuredEntry]

    public init(
        family: String, rows: Int, columns: Int, attributes: [String: Int] = [:], parts: [StructuredEntry] = []
    ) {
        self.family = family
        self.rows = rows
        self.columns = columns
        self.attributes = attributes
        self.parts = parts
    }
}

/// The `tessera` section of a compressed checkpoint's `config.json`:
/// `{"format_version": 1, "matrices": {"<matrix>": {"family": "...", "shape": [rows, columns], "attributes": {...}}}}`;
/// a composed matrix lists its parts under `"parts"`, each in the same form.
extension ModelConfiguration {
    public static let tesseraFormatVersion = 2
    static let sectionKey = "tessera"
    private static let matricesKey = "matrices"

    /// Rows and columns of a matrix in a file: at most 2^31 - 1 each, so that their product fits an `Int`.
    private static let dimensionRange = 1...Int(Int32.max)
    private static let attributeRange = 0...Int(Int32.max)
    private static let attributeLimit = 64
    /// Levels of composed matrices, and parts on one level.
    private static let nestingLimit = 8
    private static let partLimit = 64

    /// Whether some matrices are kept in another form than dense.
    public var isCompressed: Bool {
        value(Self.sectionKey)?.objectValue?[Self.matricesKey]?.objectValue.map { !$0.isEmpty } ?? false
    }

    /// The compressed matrices in file order; nil for an ordinary model.
    /// - Throws: `ModelFileError.unsupportedFormat` for a newer format, `.missingKey`, `.wrongValue`.
    public func structuredEntries() throws(ModelFileError) -> [(matrix: String, entry: StructuredEntry)]? {
        guard let tessera = try section(Self.sectionKey) else { return nil }
        let version = try tessera.integer("format_version", in: 1...Int.max)
        guard version <= Self.tesseraFormatVersion else {
            throw .unsupportedFormat(file: file, version: version, newest: Self.tesseraFormatVersion)
        }
        guard let matrices = try tessera.section("matrices") else {
            throw .missingKey(file: file, key: tessera.keyPrefix + "matrices")
        }
        var entries: [(matrix: String, entry: StructuredEntry)] = []
        entries.reserveCapacity(matrices.root.count)
        for (matrix, value) in matrices.root {
            guard let object = value.objectValue else { throw matrices.wrong(matrix, "an object", value) }
            let fields = ModelConfiguration(
                file: file, root: object, keyPrefix: matrices.keyPrefix + matrix + ".")
            entries.append((matrix, try Self.entry(fields)))
        }
        return entries
    }

    /// The whole file as one entry, as `StructuredEntry.json` wrote it.
    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`.
    public func structuredEntry() throws(ModelFileError) -> StructuredEntry { try Self.entry(self) }

    private static func entry(_ fields: ModelConfiguration, depth: Int = 1) throws(ModelFileError) -> StructuredEntry {
        let shape = try fields.integers("shape", in: dimensionRange)
        guard fields.contains("shape") else {
            throw .missingKey(file: fields.file, key: fields.keyPrefix + "shape")
        }
        guard shape.count == 2 else {
            throw fields.wrong("shape", "[rows, columns]", fields.root["shape"] ?? .null)
        }
        var attributes: [String: Int] = [:]
        if let section = try fields.section("attributes") {
            guard section.root.count <= attributeLimit else {
                throw fields.wrong(
                    "attributes", "at most \(attributeLimit) members", .integer(Int64(section.root.count)))
            }
            for key in section.root.keys { attributes[key] = try section.integer(key, in: attributeRange) }
        }
        return StructuredEntry(
            family: try fields.string("family"), rows: shape[0], columns: shape[1], attributes: attributes,
            parts: try parts(fields, depth: depth))
    }

    private static func parts(_ fields: ModelConfiguration, depth: Int) throws(ModelFileError) -> [StructuredEntry] {
        guard let value = fields.value("parts") else { return [] }
        guard let list = value.arrayValue else { throw fields.wrong("parts", "a list", value) }
        guard list.count <= partLimit else {
            throw fields.wrong("parts", "at most \(partLimit) parts", .integer(Int64(list.count)))
        }
        guard depth < nestingLimit else { throw fields.wrong("parts", "at most \(nestingLimit) levels of parts", value) }
        var parts: [StructuredEntry] = []
        for (index, value) in list.enumerated() {
            guard let object = value.objectValue else { throw fields.wrong("parts.\(index)", "an object", value) }
            let part = ModelConfiguration(
                file: fields.file, root: object, keyPrefix: "\(fields.keyPrefix)parts.\(index).")
            parts.append(try entry(part, depth: depth + 1))
        }
        return parts
    }

    /// Writes the list of matrices anew, attributes in byte order of their names; an empty list removes it.
    public mutating func setStructuredEntries(_ entries: [(matrix: String, entry: StructuredEntry)]) {
        var matrices = JSONObject()
        for (matrix, entry) in entries { matrices[matrix] = entry.json }
        setTesseraMember(Self.matricesKey, to: entries.isEmpty ? nil : .object(matrices))
    }

    /// Sets or removes one member of the section, which is there as long as it says something.
    mutating func setTesseraMember(_ key: String, to value: JSONValue?) {
        var members = root[Self.sectionKey]?.objectValue ?? JSONObject()
        members["format_version"] = nil
        members[key] = value
        guard members.contains(where: { $0.value.objectValue?.isEmpty != true }) else {
            root[Self.sectionKey] = nil
            return
        }
        var section = JSONObject()
        // Readers of version 1 know matrices alone.
        section["format_version"] = members.count == 1 && members[Self.matricesKey] != nil ? 1 : 2
        section[Self.matricesKey] = members[Self.matricesKey] ?? .object(JSONObject())
        for (name, member) in members { section[name] = member }
        root[Self.sectionKey] = .object(section)
    }
}

extension StructuredEntry {
    /// As the section has it, attributes in byte order of their names; `parts` only where there are some.
    public var json: JSONValue {
        var members = JSONObject()
        for (key, value) in attributes.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            members[key] = .integer(Int64(value))
        }
        var entry = JSONObject()
        entry["family"] = .string(family)
        entry["shape"] = [.integer(Int64(rows)), .integer(Int64(columns))]
        entry["attributes"] = .object(members)
        if !parts.isEmpty { entry["parts"] = .array(parts.map(\.json)) }
        return .object(entry)
    }
}
