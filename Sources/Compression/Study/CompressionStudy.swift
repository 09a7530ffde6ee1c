import Benchmarking
import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// A whole model at several sizes, by the mix that `compress` chooses ("auto") and by every single method: the rows of
/// `Results/compression.json`.
///
/// A single method fits every linear layer to the same share of its bytes; tables, which few methods can serve, are rounded
/// to nearest at the matching bits. Rows come in the order of their weight, each is written when it is done, and a study
/// that is started again measures what the file lacks. What the choices of "auto" share is kept in a journal beside it.
public struct CompressionStudy: ModelStudy, Sendable {
    public var model: String
    public var calibration: CalibrationSource
    public var evaluation: EvaluationText
    /// Budgets of "auto", the most important first.
    public var budgets: [Budget]
    /// Single methods and their budgets, the most important first.
    public var singles: [(methods: [SizedMethod], budgets: [Budget])]
    /// A row's fits may take so many seconds. Of a single method the smallest size comes first, which for most is the
    /// quickest; the others of one that takes longer are not tried.
    public var secondsPerRow: Double
    /// No row is begun after so many seconds.
    public var seconds: Double
    /// Measure on a text though the calibration has parts of it.
    public var allowsOverlap = false
    /// What the program was built from, for the rows.
    public var commit: String
    public var precision: Precision
    public var seed: UInt64
    /// The file of results.
    public var output: String
    public var context: ExecutionContext
    public var progress: @Sendable (CompressionProgress) -> Void

    public init(
        model: String, calibration: CalibrationSource, evaluation: EvaluationText, budgets: [Budget],
        singles: [(methods: [SizedMethod], budgets: [Budget])], secondsPerRow: Double = 120,
        seconds: Double = .infinity, commit: String = "", precision: Precision = .f16, seed: UInt64 = 0, output: String,
        context: ExecutionContext, progress: @escaping @Sendable (CompressionProgress) -> Void = { _ in }
    ) {
        self.model = model
        self.calibration = calibration
        self.evaluation = evaluation
        self.budgets = budgets
        self.singles = singles
        self.secondsPerRow = secondsPerRow
        self.seconds = seconds
        self.commit = commit
        self.precision = precision
        self.seed = seed
        self.output = output
        self.context = context
        self.progress = progress
    }

    typealias Format = CompressionFormat
    static let auto = SweepJob.auto

    /// Methods that are quick or that others are measured by come first, whatever the registry's order.
    static let firstMethods = [
        "round-to-nearest", "gptq", "quantize", "quantize-asymmetric", "activation-svd", "trit-planes", "nf4", "svd",
        "scale-search", "nm-sparsegpt", "csr-sparsegpt", "eora", "compot", "quantized-factors", "interpolative-svd",
    ]

    /// One row that the file may lack.
    struct Task {
        /// Nil is "auto".
        let method: SizedMethod?
        let budget: Budget
    }

    private var tasks: [Task] {
        let places = Dictionary(
            Self.firstMethods.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        func sorted(_ methods: [SizedMethod]) -> [SizedMethod] {
            methods.enumerated().sorted {
                (places[$0.element.name] ?? .max, $0.offset) < (places[$1.element.name] ?? .max, $1.offset)
            }.map(\.element)
        }
        return budgets.map { Task(method: nil, budget: $0) }
            + singles.flatMap { group in
                let budgets = group.budgets.sorted { $0.fraction < $1.fraction }
                return sorted(group.methods).flatMap { method in budgets.map { Task(method: method, budget: $0) } }
            }
    }

    /// Measures what the file lacks.
    /// - Throws: `CompressionError.studyMismatch` where the file has the model calibrated or measured otherwise;
    ///   `.textsOverlap`; what loading, calibrating and judging the dense model throw. What a method refuses is a row with
    ///   its error.
    public func run() throws -> CompressionResults {
        let start = ContinuousClock.now
        let bench = try CompressionBench(self)
        return try run(
            tasks,
            into: CompressionResults(
                model: modelName, identity: try bench.identity(),
                dense: CompressionFormat.Dense(
                    bytesInF16: bench.bytesInF16, bytes: bench.bytes, multiplyAdds: bench.multiplyAdds,
                    figures: bench.judge.original)),
            mayBegin: { start.duration(to: .now).inSeconds < seconds }
        ) { task, rows in
            rows.first { $0.method == key(of: task).method && $0.isTooSlow }.map {
                "not tried: at \($0.budget.text) \($0.error ?? "")"
            }
        } measure: { task, progress in
            try measured(task, bench, progress)
        }
    }

    func key(of task: Task) -> MethodAtBudget {
        MethodAtBudget(
            method: task.method?.name ?? Self.auto, family: task.method?.method.family.name, budget: task.budget)
    }

    func title(of task: Task) -> String { "\(key(of: task).method), \(task.budget.text)" }

    private func measured(
        _ task: Task, _ bench: CompressionBench, _ progress: @escaping @Sendable (CompressionProgress) -> Void
    ) throws -> CompressionMeasurement {
        let start = ContinuousClock.now
        let made: CompressionBench.Made
        do {
            made = try task.method.map { try bench.single($0, task.budget, seconds: secondsPerRow, progress: progress) }
                ?? bench.auto(task.budget, progress: progress)
        } catch FittingError.cancelled {
            throw CompressionError.tookTooLong(seconds: secondsPerRow)
        }
        let seconds = start.duration(to: .now).inSeconds
        progress(CompressionProgress(stage: "judging", done: 0, total: 1))
        let figures = try bench.judge.figures(of: made.model, context: context)
        progress(CompressionProgress(stage: "judging", done: 1, total: 1))
        return CompressionMeasurement(
            bytes: made.bytes, multiplyAdds: bench.multiplyAdds(made.model), figures: figures, form: made.form,
            seconds: seconds)
    }
}
