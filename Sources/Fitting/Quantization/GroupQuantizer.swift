import StructuredMatrices
import Tensors

/// What a group stores besides its codes: w = scale (q - zero). Both as they are stored.
package struct GroupScale: Sendable, Equatable {
    package var scale: Float = 0
    /// In steps of q.
    package var zero: Float = 0
}

/// Rounds one group of weights to w = s (q - z) with q in -2^(bits-1)...2^(bits-1)-1 and s a binary16 number. Where
/// groups have no zero points z is 0 and s may have either sign: one end of the range reaches further than the other, the
/// sign turns it to the side that needs it.
///
/// Scales and zero points are rounded as they are stored before codes are chosen, so that the error minimised is that of
/// the stored values.
package struct GroupQuantizer: Sendable {
    typealias Lanes = SIMD16<Float>

    let lowest: Float
    let highest: Float
    let hasZeroPoints: Bool
    /// What zero points are multiples of.
    let zeroUnit: Float
    /// Shrinkings of the covering range that the search tries; 1 alone is round to nearest.
    let shrinkings: [Float]
    let refits: Int

    /// The largest binary16 number.
    private static let largestScale: Float = 65504

    package init(bits: Int, hasZeroPoints: Bool = false, searching: Bool) {
        let range = Quantized.range(bits: bits)
        lowest = Float(range.lowerBound)
        highest = Float(range.upperBound)
        self.hasZeroPoints = hasZeroPoints
        zeroUnit = Float(sign: .plus, exponent: bits - 8, significand: 1)
        // With few levels the best range cuts off much of the tail (2 bits of a normal variable: more than
        // half).
        let (smallest, steps): (Float, Int) =
            switch bits {
            case 2: (0.25, 30)
            case 3: (0.4, 24)
            case 4: (0.5, 20)
            case 5, 6: (0.7, 12)
            default: (0.9, 8)
            }
        shrinkings = searching ? (0...steps).map { 1 - Float($0) * (1 - smallest) / Float(steps) } : [1]
        refits = searching ? 6 : 0
    }

    /// The scale and zero point for a group, of least sum h (w - s (q - z))^2 among those tried.
    ///
    /// Both arrays hold `vectors` full vectors, padded with zeros.
    func scale(_ weights: UnsafePointer<Lanes>, importance: UnsafePointer<Lanes>, vectors: Int) -> GroupScale {
        var (smallest, largest): (Float, Float) = (0, 0)
        for vector in 0..<vectors {
            smallest = min(smallest, weights[vector].min())
            largest = max(largest, weights[vector].max())
        }
        guard smallest < 0 || largest > 0 else { return GroupScale() }
        var best = GroupScale()
        var leastError = Float.infinity
        func consider(_ candidate: GroupScale) -> Bool {
            let error = error(weights, importance, vectors, candidate)
            guard error < leastError else { return false }
            (best, leastError) = (candidate, error)
            return true
        }

        if hasZeroPoints {
            let covering = grid(from: smallest, to: largest)
            guard shrinkings.count > 1 else { return covering }
            for shrinking in shrinkings { _ = consider(grid(from: smallest * shrinking, to: largest * shrinking)) }
        } else if shrinkings.count > 1 {
            let covering = max(largest / highest, smallest / lowest)
            let mirrored = -max(-smallest / highest, -largest / lowest)
            for full in [covering, mirrored] {
                for shrinking in shrinkings { _ = consider(GroupScale(scale: stored(full * shrinking))) }
            }
        } else {
            // Round to nearest keeps to the symmetric range, by the usual definition.
            return GroupScale(scale: stored(max(largest, -smallest) / highest))
        }
        // With the codes fixed the best scale and zero point are a regression; with them, new codes.
        for _ in 0..<refits {
            guard let next = refitted(weights, importance, vectors, best), consider(next) else { break }
        }
        return best
    }

    /// The code of one weight; 0 for what is no number (weights so large that their errors overflow).
    @inline(__always)
    func code(_ weight: Float, _ group: GroupScale) -> Float {
        guard group.scale != 0 else { return 0 }
        let code = (weight / group.scale + group.zero).rounded(.toNearestOrEven)
        return code > lowest ? (code < highest ? code : highest) : (code <= lowest ? lowest : 0)
    }

    /// What a code stands for.
    @inline(__always)
    package func value(_ code: Float, _ group: GroupScale) -> Float { group.scale * (code - group.zero) }

    /// The grid whose ends are `from` <= 0 and `to` >= 0, as it is stored.
    private func grid(from smallest: Float, to largest: Float) -> GroupScale {
        let scale = stored((largest - smallest) / (highest - lowest))
        return scale == 0 ? GroupScale() : GroupScale(scale: scale, zero: storedZero(lowest - smallest / scale))
    }

    /// A scale and an offset (w = s q + o) as they are stored.
    func stored(scale: Float, offset: Float) -> GroupScale {
        let scale = stored(scale)
        guard hasZeroPoints, scale != 0 else { return GroupScale(scale: scale) }
        return GroupScale(scale: scale, zero: storedZero(-offset / scale))
    }

    private func stored(_ scale: Float) -> Float {
        Precision.f16.rounded(max(-Self.largestScale, min(Self.largestScale, scale)))
    }

    private func storedZero(_ zero: Float) -> Float {
        let units = (zero / zeroUnit).rounded(.toNearestOrEven)
        return max(-128, min(127, units)) * zeroUnit
    }

    /// The sum of h (w - s (q - z))^2 over a group.
    /// - Parameter moments: become the sums of h, h q, h q^2, h w and h w q where they are given.
    private func error(
        _ weights: UnsafePointer<Lanes>, _ importance: UnsafePointer<Lanes>, _ vectors: Int, _ group: GroupScale,
        moments: UnsafeMutablePointer<Float>? = nil
    ) -> Float {
        Kernels.best.groupError(
            UnsafeRawPointer(weights).assumingMemoryBound(to: Float.self),
            UnsafeRawPointer(importance).assumingMemoryBound(to: Float.self), vectors * Lanes.scalarCount, group.scale,
            group.zero, lowest, highest, moments)
    }

    /// The scale and zero point that are best for the codes which others give; nil where the codes do not tell.
    private func refitted(
        _ weights: UnsafePointer<Lanes>, _ importance: UnsafePointer<Lanes>, _ vectors: Int, _ group: GroupScale
    ) -> GroupScale? {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 5) { moments in
            _ = error(weights, importance, vectors, group, moments: moments.baseAddress)
            let (h, q, qq, w, wq) = (moments[0], moments[1], moments[2], moments[3], moments[4])
            guard hasZeroPoints else { return qq > 0 ? stored(scale: wq / qq, offset: 0) : nil }
            let determinant = h * qq - q * q
            guard h > 0, determinant > 1e-6 * h * qq else { return nil }
            let scale = (h * wq - q * w) / determinant
            return stored(scale: scale, offset: (w - scale * q) / h)
        }
    }
}
