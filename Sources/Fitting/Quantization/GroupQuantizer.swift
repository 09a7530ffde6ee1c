import StructuredMatrices
import Tensors

/// Rounds one group of weights to w = s q with q in -2^(bits-1)...2^(bits-1)-1 and s a binary16 number of
/// either sign (one end of the range reaches further than the other; the sign turns it to the side that needs
/// it).
///
/// Scales are rounded to binary16 before codes are chosen, so that the error minimised is that of the stored
/// values.
struct GroupQuantizer: Sendable {
    typealias Lanes = SIMD16<Float>

    let lowest: Float
    let highest: Float
    /// Shrinkings of the covering scale that the search tries; 1 alone is round to nearest.
    let shrinkings: [Float]
    let refits: Int

    /// The largest binary16 number.
    private static let largestScale: Float = 65504

    init(bits: Int, searching: Bool) {
        let range = Quantized.range(bits: bits)
        lowest = Float(range.lowerBound)
        highest = Float(range.upperBound)
        // With few levels the best range cuts off much of the tail (2 bits of a normal variable: more than
        // half).
        let (smallest, steps): (Float, Int) =
            switch bits {
            case 2: (0.25, 30)
            case 3: (0.4, 24)
            case 4: (0.5, 20)
            default: (0.9, 8)
            }
        shrinkings = searching ? (0...steps).map { 1 - Float($0) * (1 - smallest) / Float(steps) } : [1]
        refits = searching ? 4 : 0
    }

    /// The scale for a group, of least sum h (w - s q)^2 among those tried.
    ///
    /// Both arrays hold `vectors` full vectors, padded with zeros.
    func scale(_ weights: UnsafePointer<Lanes>, importance: UnsafePointer<Lanes>, vectors: Int) -> Float {
        var (smallest, largest): (Float, Float) = (0, 0)
        for vector in 0..<vectors {
            smallest = min(smallest, weights[vector].min())
            largest = max(largest, weights[vector].max())
        }
        guard smallest < 0 || largest > 0 else { return 0 }
        let searching = shrinkings.count > 1
        // Round to nearest keeps to the symmetric range, by the usual definition.
        let covering =
            searching ? max(largest / highest, smallest / lowest) : max(largest, -smallest) / highest
        let mirrored = -max(-smallest / highest, -largest / lowest)

        var best = stored(covering)
        guard searching else { return best }
        var leastError = Float.infinity
        for full in [covering, mirrored] {
            for shrinking in shrinkings {
                let candidate = stored(full * shrinking)
                let error = squaredError(weights, importance, vectors, scale: candidate).error
                if error < leastError { (best, leastError) = (candidate, error) }
            }
        }
        // With the codes fixed the best scale is a quotient of two sums; with it, new codes.
        for _ in 0..<refits {
            let (_, numerator, denominator) = squaredError(weights, importance, vectors, scale: best)
            guard denominator > 0 else { break }
            let refitted = stored(numerator / denominator)
            let error = squaredError(weights, importance, vectors, scale: refitted).error
            guard error < leastError else { break }
            (best, leastError) = (refitted, error)
        }
        return best
    }

    /// The code of one weight.
    @inline(__always)
    func code(_ weight: Float, scale: Float) -> Float {
        scale == 0 ? 0 : max(lowest, min(highest, (weight / scale).rounded(.toNearestOrEven)))
    }

    private func stored(_ scale: Float) -> Float {
        Precision.f16.rounded(max(-Self.largestScale, min(Self.largestScale, scale)))
    }

    /// sum h (w - s q)^2, sum h w q and sum h q^2 for the codes that `scale` gives.
    private func squaredError(
        _ weights: UnsafePointer<Lanes>, _ importance: UnsafePointer<Lanes>, _ vectors: Int, scale: Float
    ) -> (error: Float, numerator: Float, denominator: Float) {
        // Adding and subtracting 1.5 * 2^23 rounds to nearest, ties to even, on any instruction set.
        let rounding = Lanes(repeating: 12_582_912)
        let (scales, inverse) = (Lanes(repeating: scale), Lanes(repeating: scale == 0 ? 0 : 1 / scale))
        let (lowest, highest) = (Lanes(repeating: lowest), Lanes(repeating: highest))
        var (error, numerator, denominator) = (Lanes.zero, Lanes.zero, Lanes.zero)
        for vector in 0..<vectors {
            let (w, h) = (weights[vector], importance[vector])
            // Clamped first: a product beyond 2^22 would not survive the rounding.
            var q = w * inverse
            q.replace(with: lowest, where: q .< lowest)
            q.replace(with: highest, where: q .> highest)
            q = (q + rounding) - rounding
            let difference = w - scales * q
            error += h * difference * difference
            let weighted = h * q
            numerator += weighted * w
            denominator += weighted * q
        }
        return (error.sum(), numerator.sum(), denominator.sum())
    }
}
