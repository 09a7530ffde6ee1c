import ModelFiles

/// One recipe at one share: what came out, or why nothing did.
public typealias RewriteRow = ResultRow<RecipeAtShare, RewriteMeasurement>

public struct RecipeAtShare: ResultKey {
    public let recipe: String
    /// Of the parameters that the recipe touches; of the time, for those that divide by latency.
    public let share: Double

    init(recipe: String, share: Double) {
        self.recipe = recipe
        self.share = share
    }

    public init?(json: JSONValue) {
        guard let recipe = json["recipe"]?.stringValue, let share = json["share"]?.doubleValue else { return nil }
        self.init(recipe: recipe, share: share)
    }

    public var members: JSONObject {
        var object = JSONObject()
        object["recipe"] = .string(recipe)
        object["share"] = .number(share)
        return object
    }
}

public struct RewriteMeasurement: ResultMeasurement {
    /// Parameters that the recipe touches, before and after.
    public let touchedBefore: Int
    public let touchedAfter: Int
    /// Of all the model's matrices and vectors.
    public let parameters: Int
    /// Of all matrices, for one token.
    public let multiplyAdds: Int
    public let figures: [QualityFigure]
    /// By batch: the time over the dense model's, with quartiles.
    public let times: [Time]
    public let seconds: Double

    public struct Time: Sendable, Equatable {
        public let batch: Int
        public let ratio: Double
        public let lower: Double
        public let upper: Double
    }

    init(
        touchedBefore: Int, touchedAfter: Int, parameters: Int, multiplyAdds: Int, figures: [QualityFigure], times: [Time],
        seconds: Double
    ) {
        self.touchedBefore = touchedBefore
        self.touchedAfter = touchedAfter
        self.parameters = parameters
        self.multiplyAdds = multiplyAdds
        self.figures = figures
        self.times = times
        self.seconds = seconds
    }

    public init?(json: JSONValue) {
        guard let figures = QualityFigure.read(json["figures"]),
            let touched = json["touched_parameters"]?.arrayValue?.compactMap(\.intValue), touched.count == 2,
            let parameters = json["parameters"]?.intValue, let multiplyAdds = json["multiply_adds"]?.intValue,
            let seconds = json["seconds"]?.doubleValue
        else { return nil }
        let times = (json["time_over_dense"]?.arrayValue ?? []).compactMap { entry -> Time? in
            guard let batch = entry["batch"]?.intValue, let ratio = entry["ratio"]?.doubleValue,
                let quartiles = entry["quartiles"]?.arrayValue?.compactMap(\.doubleValue), quartiles.count == 2
            else { return nil }
            return Time(batch: batch, ratio: ratio, lower: quartiles[0], upper: quartiles[1])
        }
        self.init(
            touchedBefore: touched[0], touchedAfter: touched[1], parameters: parameters, multiplyAdds: multiplyAdds,
            figures: figures, times: times, seconds: seconds)
    }

    public var members: JSONObject {
        var object = JSONObject()
        object["touched_parameters"] = [JSONValue(integer: touchedBefore), JSONValue(integer: touchedAfter)]
        object["parameters"] = JSONValue(integer: parameters)
        object["multiply_adds"] = JSONValue(integer: multiplyAdds)
        object["seconds"] = .number(seconds.rounded(digits: 3))
        object["time_over_dense"] = .array(
            times.map { time in
                [
                    "batch": JSONValue(integer: time.batch), "ratio": .number(time.ratio.rounded(digits: 4)),
                    "quartiles": [.number(time.lower.rounded(digits: 4)), .number(time.upper.rounded(digits: 4))],
                ]
            })
        object["figures"] = QualityFigure.document(figures)
        return object
    }
}
