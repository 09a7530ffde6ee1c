import Benchmarking
import Fitting
import StructuredMatrices
import Tensors

/// Every method on one matrix at several sizes, side by side with dense.
public struct MatrixComparison: Sendable {
    public var methods: [SizedMethod]
    public var sizes: [SizeShare]
    /// What the fits make small.
    public var objective: Objective.Kind
    /// How factors, and the dense matrix they are compared with, are stored.
    public var precision: Precision
    /// Rows of X in Y = X W^T that products are timed with.
    public var batches: [Int]
    /// How X enters products with small integers.
    public var activations: ActivationRounding
    public var seed: UInt64
    /// Seconds that every product is timed for, at each batch size.
    public var secondsPerProduct = 0.05

    public init(
        methods: [SizedMethod] = SizedMethod.all, sizes: [SizeShare], objective: Objective.Kind = .frobenius,
        precision: Precision = .f16, batches: [Int] = [1, 64], activations: ActivationRounding = .int8, seed: UInt64 = 0
    ) {
        self.methods = methods
        self.sizes = sizes
        self.objective = objective
        self.precision = precision
        self.batches = batches
        self.activations = activations
        self.seed = seed
    }

    /// What a method made of the matrix at a size.
    public struct Row: Sendable {
        public let method: FittingMethod
        public let size: SizeShare
        public internal(set) var outcome: Outcome
        /// Whether the method makes the objective of the comparison small, or only has its error measured.
        public let servesObjective: Bool
    }

    public enum Outcome: Sendable {
        case fitted(Fitted)
        /// Why there is nothing to compare.
        case refused(reason: String)

        public var fitted: Fitted? { if case .fitted(let fitted) = self { fitted } else { nil } }
    }

    public struct Fitted: Sendable {
        public let matrix: any StructuredMatrix
        /// Relative squared errors, by the objectives of `Result`.
        public let errors: [Double]
        public let seconds: Double
        public let sweeps: Int
        /// What made the objective small where the method could not itself; nil where nothing did.
        public let refinement: String?
        /// By the batches of the comparison.
        public internal(set) var times: [ProductTime] = []
    }

    /// A product against that of the dense matrix in the same rounds.
    public struct ProductTime: Sendable {
        /// Of one product, the median.
        public let seconds: Double
        /// Median over the rounds of the dense time by this one.
        public let timesDense: Double
        /// By the sign test over the rounds, at 5 %.
        public let isSlower: Bool
    }

    public struct Result: Sendable {
        public let subject: ComparisonSubject
        public let comparison: MatrixComparison
        /// The objectives that errors are given under: all that the subject has the statistics for.
        public let objectives: [Objective.Kind]
        /// Size after size, methods in their order.
        public internal(set) var rows: [Row]
        public let dense: Cost
        /// Seconds of the dense product, by the batches.
        public internal(set) var denseSeconds: [Double]
        public let threads: Int
        public let processor: String
    }

    /// Fits and times everything. What a method refuses is a row with its reason; the fits use all of `context`'s threads,
    /// one after the other, so that their seconds compare.
    /// - Throws: `CompressionError.missingCalibration`, `.missingFisher` where the objective needs statistics that the
    ///   subject lacks.
    public func run(
        _ subject: ComparisonSubject, context: ExecutionContext,
        progress: @escaping @Sendable (CompressionProgress) -> Void = { _ in }
    ) throws -> Result {
        let target = try subject.required(objective)
        let known = try Objective.Kind.allCases.compactMap { kind in try subject.objective(kind).map { (kind, $0) } }
        let objectives = known.map { $0.0 }
        var rows: [Row] = []
        let total = sizes.count * methods.count
        for size in sizes {
            for method in methods {
                progress(CompressionProgress(stage: "fitting", done: rows.count, total: total))
                let outcome = fit(method, size, subject, target, known.map { $0.1 }, context)
                rows.append(
                    Row(
                        method: method.method, size: size, outcome: outcome,
                        servesObjective: method.method.objectives.contains(objective)))
            }
        }
        progress(CompressionProgress(stage: "fitting", done: total, total: total))
        let dense = Dense(subject.weight, precision: precision)
        var result = Result(
            subject: subject, comparison: self, objectives: objectives, rows: rows, dense: dense.cost, denseSeconds: [],
            threads: context.threads, processor: ProcessorName.current)
        try time(&result, dense: dense, context: context, progress: progress)
        return result
    }

    private func fit(
        _ method: SizedMethod, _ size: SizeShare, _ subject: ComparisonSubject, _ target: Objective,
        _ objectives: [Objective], _ context: ExecutionContext
    ) -> Outcome {
        let place = FitContext(name: subject.name, seed: seed, precision: precision, execution: context)
        do {
            let clock = ContinuousClock()
            let start = clock.now
            let fit = try method.fit(
                subject.weight, objective: target, size: size.budget(for: subject.shape), context: place)
            let seconds = start.duration(to: clock.now).inSeconds
            let dense = fit.matrix.dense()
            guard dense.isFinite else { return .refused(reason: "the fit holds NaN or infinite numbers") }
            let errors = try objectives.map { try $0.error(of: dense, for: subject.weight, name: subject.name) }
            return .fitted(
                Fitted(
                    matrix: fit.matrix, errors: errors, seconds: seconds, sweeps: max(0, fit.trace.count - 1),
                    refinement: fit.refinement))
        } catch {
            // The rows are all of one matrix; its name before every reason says nothing.
            let text = "\(error)"
            let prefix = subject.name + ": "
            return .refused(reason: text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)
        }
    }
}
