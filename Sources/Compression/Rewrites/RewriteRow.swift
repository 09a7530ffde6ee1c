import ModelFiles

/// One recipe at one share: what came out, or why nothing did.
public struct RewriteRow: Sendable, Equatable {
    public let recipe: String
    /// Of the parameters that the recipe touches; of the time, for those that divide by latency.
    public let share: Double
    public let date: String
    public let processor: String
    public let threads: Int
    public let commit: String
    public var measured: Measured?
    public var error: String?

    public struct Measured: Sendable, Equatable {
        /// Parameters that the recipe touches, before and after.
        public let touchedBefore: Int
        public let touchedAfter: Int
        /// Of all the model's matrices and vectors: parameters, and bytes in f16.
        public let parameters: Int
        public let bytesInF16: Int
        /// Of all matrices, for one token.
        public let multiplyAdds: Int
        public let figures: [QualityFigure]
        /// By batch: the time over the dense model's, with quartiles.
        public let times: [Time]
        public let seconds: Double

        public func figure(_ key: String) -> QualityFigure? { figures.first { $0.key == key } }
    }

    public struct Time: Sendable, Equatable {
        public let batch: Int
        public let ratio: Double
        public let lower: Double
        public let upper: Double
    }

    var json: JSONValue {
        var object = JSONObject()
        object["recipe"] = .string(recipe)
        object["share"] = .number(share)
        object["date"] = .string(date)
        object["processor"] = .string(processor)
        object["threads"] = JSONValue(integer: threads)
        object["commit"] = .string(commit)
        if let error { object["error"] = .string(error) }
        guard let measured else { return .object(object) }
        object["touched_parameters"] = [
            JSONValue(integer: measured.touchedBefore), JSONValue(integer: measured.touchedAfter),
        ]
        object["parameters"] = JSONValue(integer: measured.parameters)
        object["bytes_f16"] = JSONValue(integer: measured.bytesInF16)
        object["multiply_adds"] = JSONValue(integer: measured.multiplyAdds)
        object["seconds"] = .number(measured.seconds.rounded(digits: 3))
        object["time_over_dense"] = .array(
            measured.times.map { time in
                [
                    "batch": JSONValue(integer: time.batch), "ratio": .number(time.ratio.rounded(digits: 4)),
                    "quartiles": [.number(time.lower.rounded(digits: 4)), .number(time.upper.rounded(digits: 4))],
                ]
            })
        object["figures"] = QualityFigure.document(measured.figures)
        return .object(object)
    }

    init(recipe: String, share: Double, date: String, processor: String, threads: Int, commit: String) {
        self.recipe = recipe
        self.share = share
        self.date = date
        self.processor = processor
        self.threads = threads
        self.commit = commit
    }

    /// Nil for what is no row of this format.
    init?(json: JSONValue) {
        guard let recipe = json["recipe"]?.stringValue, let share = json["share"]?.doubleValue,
            let date = json["date"]?.stringValue, let processor = json["processor"]?.stringValue,
            let threads = json["threads"]?.intValue
        else { return nil }
        self.init(
            recipe: recipe, share: share, date: date, processor: processor, threads: threads,
            commit: json["commit"]?.stringValue ?? "")
        error = json["error"]?.stringValue
        guard let figures = QualityFigure.read(json["figures"]),
            let touched = json["touched_parameters"]?.arrayValue?.compactMap(\.intValue), touched.count == 2,
            let parameters = json["parameters"]?.intValue, let bytes = json["bytes_f16"]?.intValue,
            let multiplyAdds = json["multiply_adds"]?.intValue, let seconds = json["seconds"]?.doubleValue
        else {
            if error == nil { return nil }
            return
        }
        let times = (json["time_over_dense"]?.arrayValue ?? []).compactMap { entry -> Time? in
            guard let batch = entry["batch"]?.intValue, let ratio = entry["ratio"]?.doubleValue,
                let quartiles = entry["quartiles"]?.arrayValue?.compactMap(\.doubleValue), quartiles.count == 2
            else { return nil }
            return Time(batch: batch, ratio: ratio, lower: quartiles[0], upper: quartiles[1])
        }
        measured = Measured(
            touchedBefore: touched[0], touchedAfter: touched[1], parameters: parameters, bytesInF16: bytes,
            multiplyAdds: multiplyAdds, figures: figures, times: times, seconds: seconds)
    }
}
