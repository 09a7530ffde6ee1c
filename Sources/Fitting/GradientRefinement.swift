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

        var matrix = start
        var point = start.factors.flatMap { $0.values.map(Double.init) }
        var (loss, gradient) = problem.evaluate(matrix)
        var trace = [loss]
        var history = CurvatureHistory(limit: memory)
        for iteration in 0..<iterations {
            try context.checkCancellation()
            var direction = history.direction(gradient)
            var slope = dot(direction, gradient)
            if !(slope < 0) {
                history = CurvatureHistory(limit: memory)
                direction = gradient.map { -$0 }
                slope = dot(direction, gradient)
            }
            guard slope < 0 else { break }
            // Without curvature the first step is scaled to lower a quadratic to zero at best.
            var length = history.isEmpty ? min(1, -loss / slope) : 1
            var next: (matrix: Refined, point: [Double], loss: Double, gradient: [Double])?
            for _ in 0..<20 {
                let candidatePoint = zip(point, direction).map { $0 + length * $1 }
                let candidate = problem.matrix(at: candidatePoint)
                let (candidateLoss, candidateGradient) = problem.evaluate(candidate)
                if candidateLoss <= loss + 1e-4 * length * slope {
                    next = (candidate, candidatePoint, candidateLoss, candidateGradient)
                    break
                }
                length /= 2
            }
            guard let next else {
                if history.isEmpty { break }
                history = CurvatureHistory(limit: memory)
                continue
            }
            history.append(
                step: zip(next.point, point).map { $0 - $1 },
                change: zip(next.gradient, gradient).map { $0 - $1 })
            let improvement = loss - next.loss
            (matrix, point, gradient) = (next.matrix, next.point, next.gradient)
            loss = next.loss
            trace.append(loss)
            context.progress(FitProgress(sweep: iteration + 1, limit: iterations, relativeError: loss))
            if improvement < tolerance * loss { break }
        }
        let error = try objective.error(of: matrix.dense(), for: weight, name: context.name)
        guard error < startError else { return Fit(matrix: start, relativeError: startError) }
        return Fit(matrix: matrix, relativeError: error, trace: trace)
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

/// The two-loop recursion over the last steps and gradient changes.
private struct CurvatureHistory {
    let limit: Int
    private var pairs: [(step: [Double], change: [Double], inverseCurvature: Double)] = []

    init(limit: Int) { self.limit = limit }

    var isEmpty: Bool { pairs.isEmpty }

    /// Pairs without positive curvature say nothing and are left out.
    mutating func append(step: [Double], change: [Double]) {
        let curvature = dot(step, change)
        guard curvature > 1e-14 * dot(change, change).squareRoot() * dot(step, step).squareRoot() else {
            return
        }
        pairs.append((step, change, 1 / curvature))
        if pairs.count > limit { pairs.removeFirst() }
    }

    /// Minus the approximate inverse Hessian times the gradient.
    func direction(_ gradient: [Double]) -> [Double] {
        var direction = gradient.map { -$0 }
        var weights: [Double] = []
        for pair in pairs.reversed() {
            let weight = pair.inverseCurvature * dot(pair.step, direction)
            weights.append(weight)
            for index in direction.indices { direction[index] -= weight * pair.change[index] }
        }
        if let last = pairs.last {
            let scale = 1 / (last.inverseCurvature * dot(last.change, last.change))
            for index in direction.indices { direction[index] *= scale }
        }
        for (pair, weight) in zip(pairs, weights.reversed()) {
            let correction = weight - pair.inverseCurvature * dot(pair.change, direction)
            for index in direction.indices { direction[index] += correction * pair.step[index] }
        }
        return direction
    }
}

private func dot(_ left: [Double], _ right: [Double]) -> Double {
    var sum = 0.0
    for index in left.indices { sum += left[index] * right[index] }
    return sum
}
