import StructuredMatrices

/// What products cost on one machine, in nanoseconds: measured once, then looked up.
///
/// Also holds what whole models take, and corrections that finished compressions found, so that the same
/// table always leads to the same choice.
public struct LatencyTable: Sendable, Equatable {
    /// A whole dense model at a batch.
    public struct ModelKey: Sendable, Hashable {
        /// Fingerprint of its configuration and matrices.
        public var model: String
        public var batch: Int

        public init(model: String, batch: Int) {
            self.model = model
            self.batch = batch
        }
    }

    /// What a whole dense model takes for one unit of work.
    public struct ModelTime: Sendable, Equatable {
        public var nanoseconds: Double
        /// What its products take of that, timed in turns with the model.
        public var products: Double

        public init(nanoseconds: Double, products: Double) {
            self.nanoseconds = nanoseconds
            self.products = products
        }

        var isPlausible: Bool {
            LatencyTable.isPlausible(nanoseconds) && LatencyTable.isPlausible(products)
                && products <= nanoseconds
        }
    }

    /// A product without its size: what one curve is for.
    private struct Form: Sendable, Hashable {
        let key: ProductKey

        init(_ key: ProductKey, sizeOption: String?) {
            var form = key
            var options = key.candidate.options
            if let sizeOption { options[sizeOption] = nil }
            form.candidate = Candidate(family: key.candidate.family, options: options)
            self.key = form
        }
    }

    public let machine: LatencyMachine
    public private(set) var products: [ProductKey: Double] = [:]
    /// For a token, a sentence, or whatever the workload of the model counts.
    public private(set) var models: [ModelKey: ModelTime] = [:]
    /// By a run's identity, how many times longer its linear layers took than predicted.
    public private(set) var corrections: [String: Double] = [:]
    private var curves: [Form: MonotoneCurve] = [:]

    public init(machine: LatencyMachine) { self.machine = machine }

    public static func == (left: Self, right: Self) -> Bool {
        left.machine == right.machine && left.products == right.products && left.models == right.models
            && left.corrections == right.corrections
    }

    /// Nanoseconds: three hours. Longer ones are no measurements, and sums of them must not overflow.
    static let longest = 1e13
    static func isPlausible(_ nanoseconds: Double) -> Bool { nanoseconds > 0 && nanoseconds <= longest }
    static let plausibleCorrections = 1e-3...1e3

    /// - Precondition: every time is above 0 and at most `longest`.
    public mutating func record(_ times: [ProductKey: Double]) {
        precondition(times.values.allSatisfy(Self.isPlausible))
        products.merge(times) { $1 }
        let touched = Set(times.keys.map { Form($0, sizeOption: Self.sizeOption($0.candidate)) })
        var points: [Form: [(size: Int, time: Double)]] = [:]
        for (key, time) in products {
            let option = Self.sizeOption(key.candidate)
            let form = Form(key, sizeOption: option)
            guard touched.contains(form) else { continue }
            points[form, default: []].append((option.map { key.candidate[$0] } ?? 0, time))
        }
        for (form, points) in points { curves[form] = MonotoneCurve(points) }
    }

    /// - Precondition: as `record`.
    public mutating func record(_ time: ModelTime, of model: ModelKey) {
        precondition(time.isPlausible)
        models[model] = time
    }

    public mutating func record(correction: Double, of run: String) {
        let limits = Self.plausibleCorrections
        corrections[run] = min(max(correction, limits.lowerBound), limits.upperBound)
    }

    /// The time of a product; nil where nothing was measured at that size or around it.
    public func time(_ key: ProductKey) -> ProductTime? {
        let option = Self.sizeOption(key.candidate)
        return curves[Form(key, sizeOption: option)]?.time(at: option.map { key.candidate[$0] } ?? 0)
    }

    /// What is in another table of the same machine and not in this one.
    public mutating func adopt(_ other: LatencyTable) {
        guard other.machine == machine else { return }
        let known = products
        record(other.products.filter { known[$0.key] == nil })
        models.merge(other.models) { mine, _ in mine }
        corrections.merge(other.corrections) { mine, _ in mine }
    }

    /// The option of a family that multiply-adds and bytes are proportional to, and so time between sizes.
    private static func sizeOption(_ candidate: Candidate) -> String? { sizeOptions[candidate.family] ?? nil }

    private static let sizeOptions: [String: String?] = Dictionary(
        CandidateSources.all.map { ($0.name, $0.sizeOption) }, uniquingKeysWith: { first, _ in first })

    /// A name for the given times of the table and its machine: equal for tables that lead to the same
    /// choices.
    func fingerprint(of keys: some Sequence<ProductKey>, model: ModelKey) -> String {
        var fingerprint = Fingerprint()
        fingerprint.add(machine.description)
        for key in keys.sorted(by: ProductKey.precedes) {
            guard let time = time(key) else { continue }
            fingerprint.add("\(key.shape) \(key.batch) \(key.precision.rawValue) \(key.modelBytes)")
            fingerprint.add("\(key.activations.rawValue) \(key.candidate.label)")
            fingerprint.add(time.nanoseconds.description)
        }
        if let time = models[model] {
            fingerprint.add("\(model.model) \(model.batch) \(time.nanoseconds) \(time.products)")
        }
        return fingerprint.text
    }
}
