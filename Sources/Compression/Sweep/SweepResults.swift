import ModelFiles

/// The points of a sweep and what they are compared with: the source of `sweep.json` and `sweep.html`.
public struct SweepResults: Sendable {
    public let model: String
    public let architecture: String
    /// Name and value, in the order to show: scope, families, objective, precision, seed, the texts.
    public let recipe: [(name: String, value: String)]
    public let threads: Int
    public let processor: String
    /// All the model's numbers in f16; its tensors as they are; the multiply-adds of one token.
    public let bytesInF16: Int
    public let bytes: Int
    public let multiplyAdds: Int
    /// Of the dense model by itself.
    public let figures: [QualityFigure]
    public internal(set) var rows: [SweepRow] = []

    static let version = 1

    init(
        model: String, architecture: String, recipe: [(name: String, value: String)], threads: Int, processor: String,
        bytesInF16: Int, bytes: Int, multiplyAdds: Int, figures: [QualityFigure]
    ) {
        self.model = model
        self.architecture = architecture
        self.recipe = recipe
        self.threads = threads
        self.processor = processor
        self.bytesInF16 = bytesInF16
        self.bytes = bytes
        self.multiplyAdds = multiplyAdds
        self.figures = figures
    }

    /// Whether any point was timed, so that what names the machine matters.
    var isTimed: Bool { rows.contains { $0.measured?.speeds.isEmpty == false } }

    /// In the order in which their points come.
    var quantities: [Budget.Quantity] {
        Budget.Quantity.allCases.filter { quantity in rows.contains { $0.budget.quantity == quantity } }
    }

    /// Methods of a quantity's points, in their order.
    func methods(_ quantity: Budget.Quantity) -> [String] {
        var names: [String] = []
        for row in rows where row.budget.quantity == quantity && !names.contains(row.method) { names.append(row.method) }
        return names
    }

    /// Figures of a quantity's points, each once, by the first that has it.
    func shownFigures(_ quantity: Budget.Quantity) -> [QualityFigure] {
        rows.first { $0.budget.quantity == quantity && $0.measured != nil }?.measured?.figures ?? []
    }

    // MARK: - JSON

    /// The document; all but "speed" is the same for the same sweep.
    package var json: JSONValue {
        var recipe = JSONObject()
        for (name, value) in self.recipe { recipe[name] = .string(value) }
        var object = JSONObject()
        object["tessera_sweep"] = JSONValue(integer: Self.version)
        object["model"] = .string(model)
        object["architecture"] = .string(architecture)
        object["recipe"] = .object(recipe)
        object["dense"] = [
            "bytes_f16": JSONValue(integer: bytesInF16), "bytes": JSONValue(integer: bytes),
            "multiply_adds": JSONValue(integer: multiplyAdds), "figures": QualityFigure.document(figures),
        ]
        object["points"] = .array(rows.map(\.json))
        if isTimed {
            object["speed"] = [
                "processor": .string(processor), "threads": JSONValue(integer: threads),
                "points": .array(rows.map(\.speedsJSON)),
            ]
        }
        return .object(object)
    }

    // MARK: - Text

    /// One line for each point, below them what could not be met. Ends with a newline.
    package var text: String {
        var lines: [String] = []
        for quantity in quantities {
            // The other quantiles are in the files; lines stay readable.
            let figures = shownFigures(quantity).filter { !["kl_median", "kl_95"].contains($0.key) }
            let batches = rows.first { $0.budget.quantity == quantity && $0.measured != nil }?.measured?.speeds ?? []
            var table = TerminalTable(
                columns: [
                    .init("share of \(quantity.rawValue)"), .init("method"), .init("bytes", .right), .init("of f16", .right),
                ] + figures.map { .init($0.name, .right) } + batches.map { .init("time, \($0.unit)", .right) },
                width: 220)
            table.rows.append(
                .cells(
                    ["dense", "", FigureText.grouped(bytes), FigureText.share(bytes, of: bytesInF16)]
                        + figures.map { figure in
                            self.figures.first { $0.key == figure.key }.map(Self.text) ?? ""
                        }))
            for row in rows where row.budget.quantity == quantity {
                guard let measured = row.measured else { continue }
                table.rows.append(
                    .cells(
                        [
                            "\(row.budget.shareText) %", row.method, FigureText.grouped(measured.bytes),
                            FigureText.share(measured.bytes, of: bytesInF16),
                        ] + figures.map { measured.figure($0.key).map(Self.text) ?? FigureText.absent }
                            + measured.speeds.map { FigureText.fixed($0.measurement.ratio, decimals: 2) }))
            }
            lines += table.lines
            for row in rows where row.budget.quantity == quantity {
                if let error = row.error { lines.append("none: \(row.budget.text), \(row.method): \(error)") }
            }
            lines.append("")
        }
        for (name, value) in recipe where ["calibration", "evaluation", "overlap of the texts"].contains(name) {
            lines.append("\(name): \(CompressionReport.printable(value))")
        }
        if let on = shownFigures(quantities.first ?? .bytes).first?.measuredOn { lines.append("measured on \(on)") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// "0.912 ± 0.003", "2.69e-6 ± 1.0e-7".
    static func text(_ figure: QualityFigure) -> String {
        if figure.value != 0, figure.value.magnitude < 1e-4 {
            return FigureText.scientific(figure.value)
                + (figure.standardError.map { " ± \(FigureText.scientific($0, decimals: 1))" } ?? "")
        }
        let error = figure.standardError.flatMap { $0.isFinite && $0 >= 5e-7 ? $0 : nil }
        let decimals = FigureText.measuredDecimals(figure.value, standardError: error)
        return FigureText.fixed(figure.value, decimals: decimals)
            + (error.map { " ± \(FigureText.fixed($0, decimals: decimals))" } ?? "")
    }
}
