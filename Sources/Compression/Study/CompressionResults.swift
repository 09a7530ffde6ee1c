import Foundation
import ModelFiles
import Tensors

/// The rows of one model in a file that holds several.
public struct CompressionResults: Sendable {
    public let model: String
    /// What rows must agree in to stand together.
    public let identity: [(name: String, value: String)]
    /// Of the dense model by itself.
    public let figures: [QualityFigure]
    public let bytesInF16: Int
    public let bytes: Int
    public let multiplyAdds: Int
    public internal(set) var rows: [CompressionRow] = []
    /// The other models of the file, as they were.
    private var others: [JSONValue] = []
    static let version = 1

    init(
        model: String, identity: [(name: String, value: String)], figures: [QualityFigure], bytesInF16: Int, bytes: Int,
        multiplyAdds: Int
    ) {
        self.model = model
        self.identity = identity
        self.figures = figures
        self.bytesInF16 = bytesInF16
        self.bytes = bytes
        self.multiplyAdds = multiplyAdds
    }

    func row(_ method: String, _ budget: Budget) -> CompressionRow? {
        rows.first { $0.method == method && $0.budget == budget }
    }

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
        guard document["tessera_compression"]?.intValue == version, let sections = document["models"]?.arrayValue else {
            throw CompressionError.studyUnreadable(
                file: file, reason: "expected \"tessera_compression\": \(version) and \"models\"")
        }
        return sections
    }

    private static func rows(_ section: JSONValue, _ file: String) throws -> [CompressionRow] {
        try (section["rows"]?.arrayValue ?? []).enumerated().map { index, entry in
            guard let row = CompressionRow(json: entry) else {
                throw CompressionError.studyUnreadable(file: file, reason: "row \(index) is incomplete")
            }
            return row
        }
    }

    /// All the models of a file.
    /// - Throws: as `read`.
    package static func all(_ file: String) throws -> [CompressionResults] {
        try sections(file).map { section in
            guard let model = section["model"]?.stringValue, let dense = section["dense"],
                let figures = QualityFigure.read(dense["figures"]), let inF16 = dense["bytes_f16"]?.intValue,
                let bytes = dense["bytes"]?.intValue, let multiplyAdds = dense["multiply_adds"]?.intValue
            else { throw CompressionError.studyUnreadable(file: file, reason: "a model is incomplete") }
            var results = CompressionResults(
                model: model,
                identity: section.objectValue?.compactMap { member in member.value.stringValue.map { (member.key, $0) } }
                    .filter { $0.0 != "model" } ?? [],
                figures: figures, bytesInF16: inF16, bytes: bytes, multiplyAdds: multiplyAdds)
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
        let document: JSONValue = [
            "tessera_compression": JSONValue(integer: Self.version), "models": .array(sections),
        ]
        try AtomicFile.write(try document.serialized(pretty: true) + [UInt8(ascii: "\n")], to: file)
    }

    /// This model's part of the document.
    package var json: JSONValue {
        var object = JSONObject()
        object["model"] = .string(model)
        for (name, value) in identity { object[name] = .string(value) }
        object["dense"] = [
            "bytes_f16": JSONValue(integer: bytesInF16), "bytes": JSONValue(integer: bytes),
            "multiply_adds": JSONValue(integer: multiplyAdds), "figures": QualityFigure.document(figures),
        ]
        object["rows"] = .array(rows.map(\.json))
        object["auto_against_the_best_single"] = .array(comparisons.map(\.json))
        return .object(object)
    }

    // MARK: - Comparison

    /// "auto" beside the best of the single methods at the same size, by one figure.
    public struct Comparison: Sendable, Equatable {
        public let budget: Budget
        public let figure: String
        public let auto: Double
        public let autoStandardError: Double
        public let best: String
        public let bestValue: Double
        /// How much better "auto" is, in the direction in which the figure is good.
        public let gain: Double

        /// At least as good within one standard error.
        public var holds: Bool { gain >= -autoStandardError }

        var json: JSONValue {
            [
                "quantity": .string(budget.quantity.rawValue), "share": .number(budget.fraction), "figure": .string(figure),
                "auto": .number(auto), "standard_error": .number(autoStandardError), "best_single": .string(best),
                "best_single_value": .number(bestValue), "auto_is_at_least_as_good": .bool(holds),
                "auto_is_better": .bool(gain > 0),
            ]
        }
    }

    /// What is compared: what people scored, neighbours, perplexity.
    static let compared = ["sts_spearman_100", "overlap", "perplexity"]

    public var comparisons: [Comparison] {
        rows.filter { $0.method == CompressionStudy.auto }.flatMap { row in
            Self.compared.compactMap { key -> Comparison? in
                guard let own = row.measured?.figure(key) else { return nil }
                let sign: Double = own.isLoss ? -1 : 1
                let singles = rows.filter { $0.method != row.method && $0.budget == row.budget }.compactMap { single in
                    single.measured?.figure(key).map { (name: single.method, value: $0.value) }
                }.filter { $0.value.isFinite }
                guard let best = singles.max(by: { sign * $0.value < sign * $1.value }) else { return nil }
                return Comparison(
                    budget: row.budget, figure: key, auto: own.value, autoStandardError: own.standardError ?? 0,
                    best: best.name, bestValue: best.value, gain: sign * (own.value - best.value))
            }
        }
    }
}
