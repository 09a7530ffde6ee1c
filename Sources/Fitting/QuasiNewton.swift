/// L-BFGS (Nocedal 1980) with a backtracking line search: the least of a smooth function of many numbers. Losses never rise.
struct QuasiNewton: Sendable {
    /// Iterations at most.
    var iterations: Int
    /// Pairs of steps and gradient changes remembered.
    var memory: Int
    /// An iteration that lowers the loss by less than this share of it is the last.
    var tolerance: Double

    struct Found: Sendable {
        let point: [Double]
        let loss: Double
        /// The loss at the start and after each iteration.
        let trace: [Double]
    }

    /// - Parameters:
    ///   - evaluate: the loss at a point, which is not negative, and its gradient.
    ///   - iterated: told after each iteration; throwing ends the search.
    func minimum(
        from start: [Double], evaluate: ([Double]) throws -> (loss: Double, gradient: [Double]),
        iterated: (_ iteration: Int, _ loss: Double) throws -> Void
    ) rethrows -> Found {
        var point = start
        var (loss, gradient) = try evaluate(point)
        var trace = [loss]
        var history = CurvatureHistory(limit: memory)
        for iteration in 0..<iterations {
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
            var next: (point: [Double], loss: Double, gradient: [Double])?
            for _ in 0..<20 {
                let candidate = zip(point, direction).map { $0 + length * $1 }
                let (candidateLoss, candidateGradient) = try evaluate(candidate)
                if candidateLoss <= loss + 1e-4 * length * slope {
                    next = (candidate, candidateLoss, candidateGradient)
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
            (point, gradient) = (next.point, next.gradient)
            loss = next.loss
            trace.append(loss)
            try iterated(iteration, loss)
            if improvement < tolerance * loss { break }
        }
        return Found(point: point, loss: loss, trace: trace)
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
