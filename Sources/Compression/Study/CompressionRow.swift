import Fitting
import ModelFiles

/// One method at one size over a whole model: what came out, or why nothing did.
public typealias CompressionRow = ResultRow<MethodAtBudget, CompressionMeasurement>

public struct MethodAtBudget: ResultKey {
    /// "auto", or a fitter's name.
    public let method: String
    /// Nil for "auto", which mixes them.
    public let family: String?
    public let budget: Budget

    init(method: String, family: String?, budget: Budget) {
        self.method = method
        self.family = family
        self.budget = budget
    }

    public init?(json: JSONValue) {
        guard let method = json["method"]?.stringValue, let share = json["share"]?.doubleValue,
            let quantity = json["quantity"]?.stringValue.flatMap({ Budget.Quantity(rawValue: $0) })
        else { return nil }
        self.init(
            method: method, family: json["family"]?.stringValue, budget: Budget(quantity: quantity, fraction: share))
    }

    public var members: JSONObject {
        var object = JSONObject()
        object["method"] = .string(method)
        if let family { object["family"] = .string(family) }
        object["quantity"] = .string(budget.quantity.rawValue)
        object["share"] = .number(budget.fraction)
        return object
    }

    public static func == (left: Self, right: Self) -> Bool { left.method == right.method && left.budget == right.budget }
}

public struct CompressionMeasurement: ResultMeasurement {
    /// Of all the model's tensors as stored.
    public let bytes: Int
    /// Of all its matrices, for one token.
    public let multiplyAdds: Int
    public let figures: [QualityFigure]
    /// "12 quantized, 24 sparse-low-rank", or what a single method was given.
    public let form: String
    /// Of fitting and choosing.
    public let seconds: Double

    /// Numbers are rounded as the file has them, so that what is read is what was measured.
    init(bytes: Int, multiplyAdds: Int, figures: [QualityFigure], form: String, seconds: Double) {
        self.bytes = bytes
        self.multiplyAdds = multiplyAdds
        self.figures = figures.map { $0.rounded(digits: 6) }
        self.form = form
        self.seconds = seconds.rounded(digits: 4)
    }

    public init?(json: JSONValue) {
        guard let figures = QualityFigure.read(json["figures"]), let bytes = json["bytes"]?.intValue,
            let multiplyAdds = json["multiply_adds"]?.intValue, let form = json["form"]?.stringValue,
            let seconds = json["seconds"]?.doubleValue
        else { return nil }
        self.init(bytes: bytes, multiplyAdds: multiplyAdds, figures: figures, form: form, seconds: seconds)
    }

    public var members: JSONObject {
        var object = JSONObject()
        object["bytes"] = JSONValue(integer: bytes)
        object["multiply_adds"] = JSONValue(integer: multiplyAdds)
        object["form"] = .string(form)
        object["seconds"] = .number(seconds)
        object["figures"] = QualityFigure.document(figures)
        return object
    }
}

extension QualityFigure {
    /// With no more digits than are known.
    func rounded(digits: Int) -> QualityFigure {
        QualityFigure(
            name: name, key: key, value: value.rounded(digits: digits), standardError: standardError?.rounded(digits: 4),
            measuredOn: measuredOn)
    }
}
