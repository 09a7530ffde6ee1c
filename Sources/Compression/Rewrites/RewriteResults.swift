import ModelFiles

/// A model narrowed by recipes, in a file that holds several models.
public typealias RewriteResults = ModelResults<RewriteFormat>

/// `Results/rewrites.json`.
public enum RewriteFormat: ResultsFormat {
    public typealias Key = RecipeAtShare
    public typealias Measured = RewriteMeasurement
    public static var name: String { "tessera_rewrites" }
    public static var version: Int { 1 }

    public struct Dense: ResultMeasurement {
        public let parameters: Int
        public let blockParameters: Int
        public let multiplyAdds: Int
        public let figures: [QualityFigure]

        init(parameters: Int, blockParameters: Int, multiplyAdds: Int, figures: [QualityFigure]) {
            self.parameters = parameters
            self.blockParameters = blockParameters
            self.multiplyAdds = multiplyAdds
            self.figures = figures
        }

        public init?(json: JSONValue) {
            guard let figures = QualityFigure.read(json["figures"]), let parameters = json["parameters"]?.intValue,
                let blockParameters = json["block_parameters"]?.intValue,
                let multiplyAdds = json["multiply_adds"]?.intValue
            else { return nil }
            self.init(
                parameters: parameters, blockParameters: blockParameters, multiplyAdds: multiplyAdds, figures: figures)
        }

        public var members: JSONObject {
            var object = JSONObject()
            object["parameters"] = JSONValue(integer: parameters)
            object["block_parameters"] = JSONValue(integer: blockParameters)
            object["multiply_adds"] = JSONValue(integer: multiplyAdds)
            object["figures"] = QualityFigure.document(figures)
            return object
        }
    }

    public static func summary(_ results: RewriteResults) -> JSONObject { JSONObject() }
}

extension ModelResults where Format == RewriteFormat {
    private static var shown: [String] { ["sts_spearman_100", "overlap", "mean_cosine", "perplexity", "kl_mean"] }

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
                        FigureText.share(measured.parameters, of: dense.parameters),
                    ] + keys.map { measured.figure($0).map { "\($0.value.rounded(digits: 4))" } ?? "" }
                        + measured.times.map { FigureText.percent($0.ratio) }))
        }
        return (["\(model): shares are of the parameters that a recipe touches", ""] + table.lines).joined(separator: "\n")
            + "\n"
    }
}
