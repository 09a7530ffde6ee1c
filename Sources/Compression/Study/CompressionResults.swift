import ModelFiles

/// A model compressed to several sizes, in a file that holds several models.
public typealias CompressionResults = ModelResults<CompressionFormat>

/// `Results/compression.json`.
public enum CompressionFormat: ResultsFormat {
    public typealias Key = MethodAtBudget
    public typealias Measured = CompressionMeasurement
    public static var name: String { "tessera_compression" }
    public static var version: Int { 1 }

    /// Of the model's numbers as they came.
    public struct Dense: ResultMeasurement {
        public let bytesInF16: Int
        public let bytes: Int
        public let multiplyAdds: Int
        public let figures: [QualityFigure]

        init(bytesInF16: Int, bytes: Int, multiplyAdds: Int, figures: [QualityFigure]) {
            self.bytesInF16 = bytesInF16
            self.bytes = bytes
            self.multiplyAdds = multiplyAdds
            self.figures = figures
        }

        public init?(json: JSONValue) {
            guard let figures = QualityFigure.read(json["figures"]), let inF16 = json["bytes_f16"]?.intValue,
                let bytes = json["bytes"]?.intValue, let multiplyAdds = json["multiply_adds"]?.intValue
            else { return nil }
            self.init(bytesInF16: inF16, bytes: bytes, multiplyAdds: multiplyAdds, figures: figures)
        }

        public var members: JSONObject {
            var object = JSONObject()
            object["bytes_f16"] = JSONValue(integer: bytesInF16)
            object["bytes"] = JSONValue(integer: bytes)
            object["multiply_adds"] = JSONValue(integer: multiplyAdds)
            object["figures"] = QualityFigure.document(figures)
            return object
        }
    }

    public static func summary(_ results: CompressionResults) -> JSONObject {
        var object = JSONObject()
        object["auto_against_the_best_single"] = .array(results.comparisons.map(\.json))
        return object
    }

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
}

extension ModelResults where Format == CompressionFormat {
    public typealias Comparison = CompressionFormat.Comparison

    /// What is compared: what people scored, neighbours, perplexity.
    static var compared: [String] { ["sts_spearman_100", "overlap", "perplexity"] }

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
