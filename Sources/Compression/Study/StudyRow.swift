import Fitting
import ModelFiles
import StructuredMatrices

/// One method at one size over a whole model: what came out, or why nothing did.
public struct StudyRow: Sendable, Equatable {
    public let fitter: String
    public let family: String
    public let size: String
    /// ISO 8601, when it was measured.
    public let date: String
    public let processor: String
    public let threads: Int
    public var measured: Measured?
    public var error: String?

    public struct Measured: Sendable, Equatable {
        public let cost: Cost
        public let spearman: Double
        public let spearmanStandardError: Double
        public let overlap: Double
        public let meanCosine: Double
        /// Seconds of all the fits.
        public let seconds: Double
        /// Bytes at the peak of fitting the largest matrix; nil where the system does not tell.
        public let peakMemory: Int?
        public let matrices: [Matrix]
    }

    public struct Matrix: Sendable, Equatable {
        public let name: String
        /// By the objectives' names.
        public let errors: [String: Double]
        public let seconds: Double
        public let trace: [Double]
        /// What made the objective small where the fitter could not itself.
        public var refinement: String?
    }

    init(
        fitter: String, family: String, size: String, date: String, processor: String, threads: Int,
        measured: Measured? = nil, error: String? = nil
    ) {
        self.fitter = fitter
        self.family = family
        self.size = size
        self.date = date
        self.processor = processor
        self.threads = threads
        self.measured = measured
        self.error = error
    }

    /// The fitter's name, and that of what refined its fits where something did: "svd + l-bfgs".
    public var title: String {
        ([fitter] + Set((measured?.matrices ?? []).compactMap(\.refinement)).sorted()).joined(separator: " + ")
    }

    /// Mean over the matrices of the relative squared error under an objective.
    public func meanError(_ objective: String) -> Double? {
        guard let matrices = measured?.matrices, !matrices.isEmpty else { return nil }
        let errors = matrices.compactMap { $0.errors[objective] }
        return errors.count == matrices.count ? errors.reduce(0, +) / Double(errors.count) : nil
    }
}

extension StudyRow.Measured {
    init(_ fits: ModelFits, _ verdict: EncoderJudge.Verdict, objectives: [Objective.Kind]) {
        cost = fits.cost
        spearman = verdict.similarity.spearman
        spearmanStandardError = verdict.similarity.standardError
        overlap = verdict.fidelity.overlap
        meanCosine = verdict.fidelity.meanCosine
        seconds = fits.seconds
        peakMemory = fits.peakMemory
        matrices = fits.matrices.map { fitted in
            StudyRow.Matrix(
                name: fitted.site.name,
                errors: Dictionary(uniqueKeysWithValues: zip(objectives.map(\.rawValue), fitted.errors)),
                seconds: fitted.seconds, trace: fitted.trace.count > 1 ? fitted.trace : [], refinement: fitted.refinement)
        }
    }
}

extension StudyRow {
    var json: JSONValue {
        var object = JSONObject()
        object["fitter"] = .string(fitter)
        object["family"] = .string(family)
        object["size"] = .string(size)
        object["date"] = .string(date)
        object["processor"] = .string(processor)
        object["threads"] = JSONValue(integer: threads)
        if let error { object["error"] = .string(error) }
        guard let measured else { return .object(object) }
        object["parameters"] = JSONValue(integer: measured.cost.parameters)
        object["bytes"] = JSONValue(integer: measured.cost.storedBytes)
        object["multiply_adds"] = JSONValue(integer: measured.cost.multiplyAdds)
        object["sts_spearman_100"] = .number(measured.spearman.rounded(digits: 6))
        object["sts_standard_error"] = .number(measured.spearmanStandardError.rounded(digits: 4))
        object["overlap"] = .number(measured.overlap.rounded(digits: 6))
        object["mean_cosine"] = .number(measured.meanCosine.rounded(digits: 6))
        object["fit_seconds"] = .number(measured.seconds.rounded(digits: 4))
        object["peak_memory_bytes"] = measured.peakMemory.map { JSONValue(integer: $0) } ?? .null
        object["matrices"] = .array(
            measured.matrices.map { matrix in
                var entry = JSONObject()
                entry["name"] = .string(matrix.name)
                for (name, error) in matrix.errors.sorted(by: { $0.key < $1.key }) {
                    entry[name] = .number(error.rounded(digits: 6))
                }
                entry["seconds"] = .number(matrix.seconds.rounded(digits: 3))
                if let refinement = matrix.refinement { entry["refinement"] = .string(refinement) }
                if !matrix.trace.isEmpty { entry["trace"] = .array(matrix.trace.map { .number($0.rounded(digits: 4)) }) }
                return .object(entry)
            })
        return .object(object)
    }

    /// Nil for what is no row of this format.
    init?(json: JSONValue, objectives: [String]) {
        func text(_ key: String) -> String? { json[key]?.stringValue }
        guard let fitter = text("fitter"), let family = text("family"), let size = text("size"), let date = text("date"),
            let processor = text("processor"), let threads = json["threads"]?.intValue
        else { return nil }
        self.init(
            fitter: fitter, family: family, size: size, date: date, processor: processor, threads: threads,
            error: text("error"))
        guard let matrices = json["matrices"]?.arrayValue else {
            guard error != nil else { return nil }
            return
        }
        func number(_ key: String) -> Double? { json[key]?.doubleValue }
        guard let parameters = json["parameters"]?.intValue, let bytes = json["bytes"]?.intValue,
            let multiplyAdds = json["multiply_adds"]?.intValue, let spearman = number("sts_spearman_100"),
            let spread = number("sts_standard_error"), let overlap = number("overlap"), let cosine = number("mean_cosine"),
            let seconds = number("fit_seconds")
        else { return nil }
        var read: [Matrix] = []
        for entry in matrices {
            guard let name = entry["name"]?.stringValue, let seconds = entry["seconds"]?.doubleValue else { return nil }
            let errors = objectives.compactMap { name in entry[name]?.doubleValue.map { (name, $0) } }
            let trace = entry["trace"]?.arrayValue?.compactMap(\.doubleValue) ?? []
            read.append(
                Matrix(
                    name: name, errors: Dictionary(uniqueKeysWithValues: errors), seconds: seconds, trace: trace,
                    refinement: entry["refinement"]?.stringValue))
        }
        measured = Measured(
            cost: Cost(parameters: parameters, storedBytes: bytes, multiplyAdds: multiplyAdds), spearman: spearman,
            spearmanStandardError: spread, overlap: overlap, meanCosine: cosine, seconds: seconds,
            peakMemory: json["peak_memory_bytes"]?.intValue, matrices: read)
    }
}

extension Double {
    /// To so many significant digits, so that files hold no more than is known.
    func rounded(digits: Int) -> Double {
        guard isFinite, self != 0, let text = Double(FigureText.scientific(self, decimals: digits - 1)) else { return self }
        return text
    }
}
