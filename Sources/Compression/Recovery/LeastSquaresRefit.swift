import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors

/// Least squares for what is continuous in a fitted matrix, its mask, codes and ranks as they are: values of sparse matrices,
/// factors, scales of integers, one free part after the other, by conjugate gradients under tr((T - V) G (T - V)^T).
package struct LeastSquaresRefit {
    /// For one part at most.
    package var iterations = 16
    /// A system is done when its slope is this much smaller than at first.
    package var tolerance = 1e-4

    package init() {}

    /// The matrix refitted, measured as it is stored; nil where that would not lower the error, and for families without
    /// free parts. An iteration is rows columns^2 multiply-adds and what the family needs.
    /// - Throws: `FittingError`, `StructuredMatrixError`.
    package func refit(
        _ start: any StructuredMatrix, toward target: Matrix, gram: Gram, name: String
    ) throws -> (any StructuredMatrix)? {
        let objective = Objective.activations(gram)
        let g = gram.matrix.converted(to: Float.self)
        let before = try objective.error(of: start.dense(), for: target, name: name)
        guard before > 0 else { return nil }
        var (best, least) = (start, before)
        for index in FreePart.all(of: start).indices {
            // What an earlier part became is part of this one's constants.
            let parts = FreePart.all(of: best)
            guard parts.indices.contains(index) else { break }
            let values = solve(parts[index], residual: target - best.dense(), g)
            guard values.allSatisfy(\.isFinite) else { continue }
            let next = try parts[index].replacing(values)
            let error = try objective.error(of: next.dense(), for: target, name: name)
            if error < least { (best, least) = (next, error) }
        }
        return least < before ? best : nil
    }

    /// The values after some iterations. All systems of a part take their steps together.
    private func solve(_ part: FreePart, residual: Matrix, _ g: Matrix) -> [Float] {
        var values = part.values.map(Double.init)
        var slopeVector = part.adjoint(residual.multiplied(by: g)).map(Double.init)
        var direction = slopeVector
        var slopes = part.systems.map { Self.squares(slopeVector, $0) }
        let limits = slopes.map { $0 * tolerance * tolerance }
        for _ in 0..<iterations {
            guard zip(slopes, limits).contains(where: { $0 > $1 }) else { break }
            let image = part.image(direction.map { Float($0) })
            let curved = part.adjoint(image.multiplied(by: g))
            for (system, range) in part.systems.enumerated() where slopes[system] > limits[system] {
                var curvature = 0.0
                for index in range { curvature += direction[index] * Double(curved[index]) }
                guard curvature > 0 else {
                    slopes[system] = 0
                    continue
                }
                let length = slopes[system] / curvature
                for index in range {
                    values[index] += length * direction[index]
                    slopeVector[index] -= length * Double(curved[index])
                }
                let next = Self.squares(slopeVector, range)
                let turn = next / slopes[system]
                for index in range { direction[index] = slopeVector[index] + turn * direction[index] }
                slopes[system] = next
            }
        }
        return values.map { Float($0) }
    }

    private static func squares(_ values: [Double], _ range: Range<Int>) -> Double {
        var sum = 0.0
        for index in range { sum += values[index] * values[index] }
        return sum
    }
}
