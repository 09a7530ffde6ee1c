import Analysis
import ModelFiles

/// A measured figure of a model: a line of text, a member of a JSON object, a coordinate of a plot.
public struct QualityFigure: Sendable, Equatable {
    /// For people: "overlap@10".
    public let name: String
    /// In JSON: "overlap".
    public let key: String
    public let value: Double
    public let standardError: Double?
    /// What stands behind it, in words: how many windows of how many tokens, which pairs.
    public let measuredOn: String

    public init(name: String, key: String, value: Double, standardError: Double?, measuredOn: String) {
        self.name = name
        self.key = key
        self.value = value
        self.standardError = standardError
        self.measuredOn = measuredOn
    }

    /// Whether less of it is better: perplexities and divergences.
    public var isLoss: Bool { key.hasPrefix("perplexity") || key.hasPrefix("kl_") || key == "bits_per_byte" }

    package var json: JSONValue {
        [
            "name": .string(name), "value": Self.number(value),
            "standard_error": standardError.map(Self.number) ?? .null, "measured_on": .string(measuredOn),
        ]
    }

    /// JSON has no numbers that are not finite.
    private static func number(_ value: Double) -> JSONValue { value.isFinite ? .number(value) : .null }

    /// By the figures' keys, in their order.
    package static func document(_ figures: [QualityFigure]) -> JSONValue {
        var object = JSONObject()
        for figure in figures { object[figure.key] = figure.json }
        return .object(object)
    }

    /// Figures as `document` wrote them; nil for anything else.
    static func read(_ json: JSONValue?) -> [QualityFigure]? {
        guard let members = json?.objectValue else { return nil }
        var figures: [QualityFigure] = []
        for (key, member) in members {
            guard let name = member["name"]?.stringValue, let on = member["measured_on"]?.stringValue else { return nil }
            figures.append(
                QualityFigure(
                    name: name, key: key, value: member["value"]?.doubleValue ?? .nan,
                    standardError: member["standard_error"]?.doubleValue, measuredOn: on))
        }
        return figures
    }
}

extension QualityFigure {
    /// Of an encoder's embeddings against another's.
    /// - Parameter what: what was embedded, in words.
    package static func all(of fidelity: EncoderFidelity, what: String = "distinct sentences") -> [QualityFigure] {
        let on = "\(FigureText.grouped(fidelity.sentences)) \(what)"
        return [
            QualityFigure(
                name: "mean cosine", key: "mean_cosine", value: fidelity.meanCosine,
                standardError: fidelity.meanCosineStandardError, measuredOn: on),
            QualityFigure(
                name: "overlap@\(fidelity.neighbours)", key: "overlap", value: fidelity.overlap,
                standardError: fidelity.overlapStandardError, measuredOn: on),
        ]
    }
}
