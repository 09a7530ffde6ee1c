import StructuredMatrices
import Tensors

/// What a group stores besides its codes: w = scale (q - zero). Both as they are stored.
struct GroupScale: Sendable, Equatable {
    var scale: Float = 0
    /// In steps of q.
    var zero: Float = 0
}

/// Rounds one group of weights to w = s (q - z) with q in -2^(bits-1)...2^(bits-1)-1 and s a binary16 number. Where
/// groups have no zero points z is 0 and s may have either sign: one end of the range reaches further than the other, the
/// sign turns it to the side that needs it.
///
/// Scales and zero points are rounded as they are stored before codes are chosen, so that the error minimised is that of
/// the stored values.
struct GroupQuantizer: Sendable {
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

    init(bits: Int, hasZeroPoints: Bool = false, searching: Bool) {
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
            let error = fit(weights, importance, vectors, candidate).error
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
            guard let refitted = fit(weights, importance, vectors, best).regression(self), consider(refitted) else { break }
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
    func value(_ code: Float, _ group: GroupScale) -> Float { group.scale * (code - group.zero) }

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

    /// Weighted sums over a group for the codes that a scale and a zero point give.
    private struct Sums {
        var error: Float
        /// h, h q, h q^2, h w, h w q.
        var moments: (h: Float, q: Float, qq: Float, w: Float, wq: Float)

        func regression(_ quantizer: GroupQuantizer) -> GroupScale? {
            let m = moments
            guard quantizer.hasZeroPoints else {
                return m.qq > 0 ? quantizer.stored(scale: m.wq / m.qq, offset: 0) : nil
            }
            let determinant = m.h * m.qq - m.q * m.q
            guard m.h > 0, determinant > 1e-6 * m.h * m.qq else { return nil }
            let scale = (m.h * m.wq - m.q * m.w) / determinant
            return quantizer.stored(scale: scale, offset: (m.w - scale * m.q) / m.h)
        }
    }

    private func fit(
        _ weights: UnsafePointer<Lanes>, _ importance: UnsafePointer<Lanes>, _ vectors: Int, _ group: GroupScale
    ) -> Sums {
        // Adding and subtracting 1.5 * 2^23 rounds to nearest, ties to even, on any instruction set.
        let rounding = Lanes(repeating: 12_582_912)
        let scale = Lanes(repeating: group.scale), zero = Lanes(repeating: group.zero)
        let inverse = Lanes(repeating: group.scale == 0 ? 0 : 1 / group.scale)
        let (lowest, highest) = (Lanes(repeating: lowest), Lanes(repeating: highest))
        var (error, h, hq, hqq, hw, hwq) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
        for vector in 0..<vectors {
            let (w, weight) = (weights[vector], importance[vector])
            // Clamped first: a product beyond 2^22 would not survive the rounding.
            var q = w * inverse + zero
            q.replace(with: lowest, where: q .< lowest)
            q.replace(with: highest, where: q .> highest)
            q = (q + rounding) - rounding
            let difference = w - scale * (q - zero)
            error += weight * difference * difference
            let weighted = weight * q
            h += weight
            hq += weighted
            hqq += weighted * q
            hw += weight * w
            hwq += weighted * w
        }
        return Sums(error: error.sum(), moments: (h.sum(), hq.sum(), hqq.sum(), hw.sum(), hwq.sum()))
    }
}
