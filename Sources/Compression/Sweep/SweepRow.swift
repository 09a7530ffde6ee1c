import ModelFiles

/// One point of a sweep: a model of one size by one method, or why there is none.
public struct SweepRow: Sendable, Equatable {
    /// "auto", "low-rank only", "control: round-to-nearest".
    public let method: String
    public let budget: Budget
    /// The plan's file in the sweep's folder; nil for points that are only there to be compared with.
    public var plan: String?
    public var measured: Measured?
    public var error: String?

    public struct Measured: Sendable, Equatable {
        /// Of all the model's tensors as they would be stored, but for the files' headers.
        public var bytes: Int
        /// Of all the model's matrices, for one token.
        public var multiplyAdds: Int
        public var figures: [QualityFigure]
        /// What was chosen between, or the form of a control.
        public var notes: [String]
        public var speeds: [Speed]

        public func figure(_ key: String) -> QualityFigure? { figures.first { $0.key == key } }
    }

    /// The point's model and the dense one timed in turns.
    public struct Speed: Sendable, Equatable {
        public let batch: Int
        /// "sentence", "token of 64 texts".
        public let unit: String
        public let measurement: LatencyMeasurement
    }

    init(method: String, budget: Budget, plan: String? = nil, measured: Measured? = nil, error: String? = nil) {
        self.method = method
        self.budget = budget
        self.plan = plan
        self.measured = measured
        self.error = error
    }
}

extension SweepRow {
    /// As in `sweep.json`: without times, so that the same sweep gives the same bytes.
    var json: JSONValue {
        var object = JSONObject()
        object["method"] = .string(method)
        object["quantity"] = .string(budget.quantity.rawValue)
        object["share"] = .number(budget.fraction)
        if let plan { object["plan"] = .string(plan) }
        if let error { object["error"] = .string(error) }
        if let measured {
            object["bytes"] = JSONValue(integer: measured.bytes)
            object["multiply_adds"] = JSONValue(integer: measured.multiplyAdds)
            object["figures"] = QualityFigure.document(measured.figures)
            object["notes"] = .array(measured.notes.map { .string($0) })
        }
        return .object(object)
    }

    var speedsJSON: JSONValue { .array((measured?.speeds ?? []).map(\.json)) }

    /// What `json` and `speedsJSON` wrote; nil for anything else.
    init?(json: JSONValue?, speeds: JSONValue?) {
        guard let json, let method = json["method"]?.stringValue, let share = json["share"]?.doubleValue,
            let quantity = json["quantity"]?.stringValue.flatMap({ Budget.Quantity(rawValue: $0) })
        else { return nil }
        self.init(
            method: method, budget: Budget(quantity: quantity, fraction: share), plan: json["plan"]?.stringValue,
            error: json["error"]?.stringValue)
        guard let figures = QualityFigure.read(json["figures"]) else {
            guard error != nil else { return nil }
            return
        }
        guard let bytes = json["bytes"]?.intValue, let multiplyAdds = json["multiply_adds"]?.intValue else { return nil }
        measured = Measured(
            bytes: bytes, multiplyAdds: multiplyAdds, figures: figures,
            notes: json["notes"]?.arrayValue?.compactMap(\.stringValue) ?? [],
            speeds: speeds?.arrayValue?.compactMap { Speed(json: $0) } ?? [])
    }
}

extension SweepRow.Speed {
    var json: JSONValue {
        [
            "batch": JSONValue(integer: batch), "unit": .string(unit), "dense_nanoseconds": .number(measurement.dense),
            "nanoseconds": .number(measurement.compressed), "times_dense": .number(measurement.ratio),
            "times_dense_lower_quartile": .number(measurement.ratioLower),
            "times_dense_upper_quartile": .number(measurement.ratioUpper),
        ]
    }

    init?(json: JSONValue) {
        func number(_ key: String) -> Double? { json[key]?.doubleValue }
        guard let batch = json["batch"]?.intValue, let unit = json["unit"]?.stringValue,
            let dense = number("dense_nanoseconds"), let own = number("nanoseconds"), let ratio = number("times_dense"),
            let lower = number("times_dense_lower_quartile"), let upper = number("times_dense_upper_quartile")
        else { return nil }
        self.init(
            batch: batch, unit: unit,
            measurement: LatencyMeasurement(
                dense: dense, compressed: own, ratio: ratio, ratioLower: lower, ratioUpper: upper))
    }
}
