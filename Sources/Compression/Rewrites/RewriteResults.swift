import Foundation
import ModelFiles

/// The rows of one model in a file that holds several.
public struct RewriteResults: Sendable {
    public let model: String
    public let calibration: String
    public let evaluation: String
    public let seed: UInt64
    /// Of the dense model.
    public let parameters: Int
    public let blockParameters: Int
    public let multiplyAdds: Int
    public let figures: [QualityFigure]
    public internal(set) var rows: [RewriteRow] = []
    /// The other models of the file, as they were.
    private var others: [JSONValue] = []
    private static let version = 1

    init(
        model: String, calibration: String, evaluation: String, seed: UInt64, parameters: Int, blockParameters: Int,
        multiplyAdds: Int, figures: [QualityFigure]
    ) {
        self.model = model
        self.calibration = calibration
        self.evaluation = evaluation
        self.seed = seed
        self.parameters = parameters
        self.blockParameters = blockParameters
        self.multiplyAdds = multiplyAdds
        self.figures = figures
    }

    func row(_ recipe: String, _ share: Double) -> RewriteRow? {
        rows.first { $0.recipe == recipe && abs($0.share - share) < 1e-9 }
    }

    private var identity: [(name: String, value: String)] {
        [("calibration", calibration), ("evaluation", evaluation), ("seed", String(seed))]
    }

    /// Takes over what a file has, where it is there.
    /// - Throws: `ModelFileError`; `CompressionError.studyUnreadable`, `.studyMismatch`.
    mutating func read(_ file: String) throws {
        guard FileManager.default.fileExists(atPath: file) else { return }
        let document = try JSONValue.read(file: file)
        guard document["tessera_rewrites"]?.intValue == Self.version, let sections = document["models"]?.arrayValue else {
            throw CompressionError.studyUnreadable(
                file: file, reason: "expected \"tessera_rewrites\": \(Self.version) and \"models\"")
        }
        for section in sections {
            guard section["model"]?.stringValue == model else {
                others.append(section)
                continue
            }
            let differs = identity.filter { section[$0.name]?.stringValue != $0.value }.map(\.name)
            guard differs.isEmpty else { throw CompressionError.studyMismatch(file: file, differs: differs) }
            rows = try (section["rows"]?.arrayValue ?? []).enumerated().map { index, entry in
                guard let row = RewriteRow(json: entry) else {
                    throw CompressionError.studyUnreadable(file: file, reason: "row \(index) is incomplete")
                }
                return row
            }
        }
    }

    /// Writes the file with this model among the others, by their names.
    /// - Throws: `ModelFileError.notWritable`.
    func write(_ file: String) throws {
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let sections = (others + [json]).sorted { ($0["model"]?.stringValue ?? "") < ($1["model"]?.stringValue ?? "") }
        let document: JSONValue = ["tessera_rewrites": JSONValue(integer: Self.version), "models": .array(sections)]
        try AtomicFile.write(try document.serialized(pretty: true) + [UInt8(ascii: "\n")], to: file)
    }

    /// This model's part of the document.
    package var json: JSONValue {
        var object = JSONObject()
        object["model"] = .string(model)
        for (name, value) in identity { object[name] = .string(value) }
        object["dense"] = [
            "parameters": JSONValue(integer: parameters), "block_parameters": JSONValue(integer: blockParameters),
            "multiply_adds": JSONValue(integer: multiplyAdds), "figures": QualityFigure.document(figures),
        ]
        object["rows"] = .array(rows.map(\.json))
        return .object(object)
    }

    private static let shown = ["sts_spearman_100", "overlap", "mean_cosine", "perplexity", "kl_mean"]

    /// One line for each row; ends with a newline.
    package var text: String {
        let keys = Self.shown.filter { key in rows.contains { $0.measured?.figure(key) != nil } }
        let batches = rows.compactMap(\.measured).first?.times.map(\.batch) ?? []
        var table = TerminalTable(
            columns: [.init("recipe", wraps: true), .init("share", .right), .init("touched", .right), .init("model", .right)]
                + keys.map { .init($0, .right) } + batches.map { .init("time at \($0)", .right) })
        for row in rows {
            guard let measured = row.measured else {
                table.rows.append(.cells([row.recipe, FigureText.percent(row.share), row.error ?? ""]))
                continue
            }
            table.rows.append(
                .cells(
                    [
                        row.recipe, FigureText.percent(row.share),
                        FigureText.share(measured.touchedAfter, of: measured.touchedBefore),
                        FigureText.share(measured.parameters, of: parameters),
                    ] + keys.map { measured.figure($0).map { "\($0.value.rounded(digits: 4))" } ?? "" }
                        + measured.times.map { FigureText.percent($0.ratio) }))
        }
        return (["\(model): shares are of the parameters that a recipe touches", ""] + table.lines).joined(separator: "\n")
            + "\n"
    }
}
