import LinearAlgebra
import StructuredMatrices
import Tensors

/// Improves any differentiable matrix under tr(D (W - V) G (W - V)^T) by L-BFGS on its factors (Nocedal 1980)
/// with a backtracking line search: for families and sizes without exact steps of their own.
///
/// Losses are measured on the stored values, so the result is never worse than the start.
public struct GradientRefinement: Sendable {
    /// Iterations at most.
    public var iterations: Int
    /// Pairs of steps and gradient changes remembered.
    public var memory: Int
    /// An iteration that lowers the loss by less than this share of it is the last.
    public var tolerance: Double

    public init(iterations: Int = 100, memory: Int = 12, tolerance: Double = 1e-4) {
        self.iterations = iterations
        self.memory = memory
        self.tolerance = tolerance
    }

    /// Cost of an iteration: `dense()`, `factorGradients` and rows columns^2 multiply-adds, somewhat more
    /// when a step has to be shortened.
    /// - Throws: `FittingError`.
    public func refine<Refined: DifferentiableMatrix>(
        _ start: Refined, toward weight: Matrix, objective: Objective, context: FitContext = FitContext()
    ) throws -> Fit<Refined> {
        try context.check(weight, objective)
        let startError = try objective.error(of: start.dense(), for: weight, name: context.name)
        let problem = Problem(weight: weight, objective: objective, start: start)
        guard problem.squaredNorm > 0 else { return Fit(matrix: start, relativeError: startError) }

        let found = try QuasiNewton(iterations: iterations, memory: memory, tolerance: tolerance).minimum(
            from: start.factors.flatMap { $0.values.map(Double.init) }
        ) { point in
            try context.checkCancellation()
            return problem.evaluate(problem.matrix(at: point))
        } iterated: { iteration, loss in
            context.progress(FitProgress(sweep: iteration + 1, limit: iterations, relativeError: loss))
        }
        let matrix = problem.matrix(at: found.point)
        let error = try objective.error(of: matrix.dense(), for: weight, name: context.name)
        guard error < startError else { return Fit(matrix: start, relativeError: startError) }
        return Fit(matrix: matrix, relativeError: error, trace: found.trace)
    }

    /// The relative loss as a function of all the factors' values in a row.
    private struct Problem<Refined: DifferentiableMatrix> {
        let weight: Matrix
        let gram: Matrix?
        let rowWeights: [Double]?
        let squaredNorm: Double
        let start: Refined
        let counts: [Int]

        init(weight: Matrix, objective: Objective, start: Refined) {
            self.weight = weight
            gram = objective.gram?.matrix.converted()
            rowWeights = objective.rowWeights
            squaredNorm = objective.squaredNorm(of: weight)
            self.start = start
            counts = start.factors.map(\.count)
        }

        func matrix(at point: [Double]) -> Refined {
            var first = 0
            return start.replacingFactors(
                counts.map { count in
                    defer { first += count }
                    return point[first..<first + count].map { Float($0) }
                })
        }

        func evaluate(_ matrix: Refined) -> (loss: Double, gradient: [Double]) {
            let difference = matrix.dense() - weight
            var weighted = gram.map { difference.multiplied(by: $0) } ?? difference
            weighted.scaleRows(by: rowWeights)
            var loss = 0.0
            for (left, right) in zip(difference.elements, weighted.elements) {
                loss += Double(left) * Double(right)
            }
            let gradient = matrix.factorGradients(weighted).flatMap {
                $0.map { 2 * Double($0) / squaredNorm }
            }
            return (max(0, loss) / squaredNorm, gradient)
        }
    }
}
