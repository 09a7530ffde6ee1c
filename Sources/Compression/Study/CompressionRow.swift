import Fitting
import ModelFiles

/// One method at one size over a whole model: what came out, or why nothing did.
public struct CompressionRow: Sendable, Equatable {
    /// "auto", or a fitter's name.
    public let method: String
    /// Nil for "auto", which mixes them.
    public let family: String?
    public let budget: Budget
    /// ISO 8601, when it was measured.
    public let date: String
    public let processor: String
    public let threads: Int
    /// What the program was built from; empty where that is not known.
    public let commit: String
    public var measured: Measured?
    public var error: String?
    /// Whether the error is that the fits took too long.
    var isTooSlow = false

    public struct Measured: Sendable, Equatable {
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

        public func figure(_ key: String) -> QualityFigure? { figures.first { $0.key == key } }
    }

    init(
        method: String, family: String?, budget: Budget, date: String, processor: String, threads: Int, commit: String,
        error: String? = nil
    ) {
        self.method = method
        self.family = family
        self.budget = budget
        self.date = date
        self.processor = processor
        self.threads = threads
        self.commit = commit
        self.error = error
    }

    var json: JSONValue {
        var object = JSONObject()
        object["method"] = .string(method)
        if let family { object["family"] = .string(family) }
        object["quantity"] = .string(budget.quantity.rawValue)
        object["share"] = .number(budget.fraction)
        object["date"] = .string(date)
        object["processor"] = .string(processor)
        object["threads"] = JSONValue(integer: threads)
        object["commit"] = .string(commit)
        if let error { object["error"] = .string(error) }
        if isTooSlow { object["too_slow"] = true }
        guard let measured else { return .object(object) }
        object["bytes"] = JSONValue(integer: measured.bytes)
        object["multiply_adds"] = JSONValue(integer: measured.multiplyAdds)
        object["form"] = .string(measured.form)
        object["seconds"] = .number(measured.seconds)
        object["figures"] = QualityFigure.document(measured.figures)
        return .object(object)
    }

    /// Nil for what is no row of this format.
    init?(json: JSONValue) {
        func text(_ key: String) -> String? { json[key]?.stringValue }
        guard let method = text("method"), let quantity = text("quantity").flatMap({ Budget.Quantity(rawValue: $0) }),
            let share = json["share"]?.doubleValue, let date = text("date"), let processor = text("processor"),
            let threads = json["threads"]?.intValue
        else { return nil }
        self.init(
            method: method, family: text("family"), budget: Budget(quantity: quantity, fraction: share), date: date,
            processor: processor, threads: threads, commit: text("commit") ?? "", error: text("error"))
        isTooSlow = json["too_slow"]?.boolValue ?? false
        guard let figures = QualityFigure.read(json["figures"]) else {
            guard error != nil else { return nil }
            return
        }
        guard let bytes = json["bytes"]?.intValue, let multiplyAdds = json["multiply_adds"]?.intValue,
            let form = text("form"), let seconds = json["seconds"]?.doubleValue
        else { return nil }
        measured = Measured(bytes: bytes, multiplyAdds: multiplyAdds, figures: figures, form: form, seconds: seconds)
    }
}

extension QualityFigure {
    /// With no more digits than are known.
    fileprivate func rounded(digits: Int) -> QualityFigure {
        QualityFigure(
            name: name, key: key, value: value.rounded(digits: digits), standardError: standardError?.rounded(digits: 4),
            measuredOn: measuredOn)
    }
}
