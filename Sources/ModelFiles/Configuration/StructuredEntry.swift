/// One compressed matrix as `config.json` records it: which family stores it, the shape it stands for, and the family's integers.
///
/// Plain data: what a family's name and attributes mean is known to `StructuredMatrices` alone.
public struct StructuredEntry: Sendable, Equatable {
    public let family: String
    public let rows: Int
    public let columns: Int
    public let attributes: [String: Int]

    public init(family: String, rows: Int, columns: Int, attributes: [String: Int] = [:]) {
        self.family = family
        self.rows = rows
        self.columns = columns
        self.attributes = attributes
    }
}

/// The `tessera` section of a compressed checkpoint's `config.json`:
/// `{"format_version": 1, "matrices": {"<matrix>": {"family": "...", "shape": [rows, columns], "attributes": {...}}}}`.
extension ModelConfiguration {
    public static let tesseraFormatVersion = 1
    private static let sectionKey = "tessera"

    /// Rows and columns of a matrix in a file: at most 2^31 - 1 each, so that their product fits an `Int`.
    private static let dimensionRange = 1...Int(Int32.max)
    private static let attributeRange = 0...Int(Int32.max)
    private static let attributeLimit = 64

    /// Whether the folder was written by `tessera compress`.
    public var isCompressed: Bool { contains(Self.sectionKey) }

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

    private static func entry(_ fields: ModelConfiguration) throws(ModelFileError) -> StructuredEntry {
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
            family: try fields.string("family"), rows: shape[0], columns: shape[1], attributes: attributes)
    }

    /// Writes the section anew, attributes in byte order of their names; an empty list removes it.
    public mutating func setStructuredEntries(_ entries: [(matrix: String, entry: StructuredEntry)]) {
        guard !entries.isEmpty else {
            root[Self.sectionKey] = nil
            return
        }
        var matrices = JSONObject()
        for (matrix, entry) in entries {
            var attributes = JSONObject()
            for (key, value) in entry.attributes.sorted(by: {
                $0.key.utf8.lexicographicallyPrecedes($1.key.utf8)
            }) {
                attributes[key] = .integer(Int64(value))
            }
            matrices[matrix] = [
                "family": .string(entry.family),
                "shape": [.integer(Int64(entry.rows)), .integer(Int64(entry.columns))],
                "attributes": .object(attributes),
            ]
        }
        root[Self.sectionKey] = [
            "format_version": .integer(Int64(Self.tesseraFormatVersion)), "matrices": .object(matrices),
        ]
    }
}
