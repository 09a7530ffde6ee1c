import StructuredMatrices
import Tensors

/// What a fit is told besides the matrix, the objective and the size.
public struct FitContext: Sendable {
    /// The matrix's name, for messages.
    public var name: String
    /// Every random choice of the fit follows from this and from nothing else.
    public var seed: UInt64
    /// How the fitted factors are stored; reported errors are those of the stored values.
    public var precision: Precision
    /// Threads the fit may use. One by default, because callers run many fits side by side; the result is the
    /// same for any number.
    public var execution: ExecutionContext
    /// Asked between sweeps; true ends the fit with `FittingError.cancelled`.
    public var isCancelled: @Sendable () -> Bool
    /// Told after each sweep.
    public var progress: @Sendable (FitProgress) -> Void

    public init(
        name: String = "matrix", seed: UInt64 = 0, precision: Precision = .f32,
        execution: ExecutionContext = .serial,
        isCancelled: @escaping @Sendable () -> Bool = { false },
        progress: @escaping @Sendable (FitProgress) -> Void = { _ in }
    ) {
        self.name = name
        self.seed = seed
        self.precision = precision
        self.execution = execution
        self.isCancelled = isCancelled
        self.progress = progress
    }

    /// - Throws: `FittingError.cancelled`.
    package func checkCancellation() throws {
        if isCancelled() { throw FittingError.cancelled(matrix: name) }
    }

    /// A stream of random numbers for one purpose, independent of all others.
    package func generator(for purpose: String) -> SeededGenerator {
        SeededGenerator(seed: seed, stream: purpose)
    }

    /// Refuses what no fitter can serve.
    /// - Throws: `FittingError.emptyWeight`, `.notFiniteWeight`, `.gramMismatch`, `.fisherMismatch`, `.cancelled`.
    package func check(_ weight: Matrix, _ objective: Objective) throws {
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        guard weight.count > 0 else { throw FittingError.emptyWeight(matrix: name, shape: shape) }
        if let index = weight.elements.firstIndex(where: { !$0.isFinite }) {
            throw FittingError.notFiniteWeight(
                matrix: name, row: index / weight.columns, column: index % weight.columns)
        }
        try objective.check(shape, name: name)
        try checkCancellation()
    }
}

/// Where an iterative fit stands.
public struct FitProgress: Sendable {
    /// Sweeps done.
    public let sweep: Int
    /// Sweeps at most.
    public let limit: Int
    /// Relative squared error after this sweep.
    public let relativeError: Double

    public init(sweep: Int, limit: Int, relativeError: Double) {
        self.sweep = sweep
        self.limit = limit
        self.relativeError = relativeError
    }
}
