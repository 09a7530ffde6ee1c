import Compression
import Tensors
import Testing

/// Targets of matrices whose inputs are fewer than the dense model's.
@Suite struct NarrowedTargetTests {
    private static let (tokens, features, kept) = (2000, 16, 10)

    private static func random(_ rows: Int, _ columns: Int, _ stream: String) -> Matrix {
        var generator = SeededGenerator(seed: 3, stream: stream)
        return .random(rows: rows, columns: columns, using: &generator)
    }

    /// Inputs of which the last are linear in the first, up to noise and a constant.
    private static func inputs(noise: Float) -> (dense: Matrix, own: Matrix) {
        let own = random(tokens, kept, "kept")
        let others = own.multiplied(by: random(kept, features - kept, "mixing"))
        let stray = random(tokens, features - kept, "noise")
        let dense = Matrix(rows: tokens, columns: features) { row, column in
            guard column >= kept else { return own[row, column] }
            return others[row, column - kept] + noise * stray[row, column - kept] + 0.5
        }
        return (dense, own)
    }

    private static func moments(noise: Float) -> PairedMoments {
        let (dense, own) = inputs(noise: noise)
        var moments = PairedMoments(features: kept, dense: features)
        moments.add(dense: dense, compressed: own, meansOnly: false, context: ExecutionContext(threads: 2))
        moments.finish(centred: true)
        return moments
    }

    /// Mean squared distance of V x^ + bias from W x + b.
    private static func error(_ v: Matrix, _ bias: [Float], _ w: Matrix, _ old: [Float], noise: Float) -> Double {
        let (dense, own) = inputs(noise: noise)
        let wanted = dense.multiplied(by: w, transposeOther: true)
        let given = own.multiplied(by: v, transposeOther: true)
        var sum = 0.0
        for row in 0..<wanted.rows {
            for column in 0..<wanted.columns {
                let difference = Double(wanted[row, column]) + Double(old[column]) - Double(given[row, column]) - Double(bias[column])
                sum += difference * difference
            }
        }
        return sum / Double(wanted.rows)
    }

    /// What the inputs that are gone said is said by those that are left; the constant by the bias.
    @Test func inputsThatStayTakeOver() throws {
        let w = Self.random(6, Self.features, "weight")
        let old = (0..<6).map { Float($0) }
        let plain = w.block(rows: 0..<6, columns: 0..<Self.kept)
        let (exact, noisy) = (Self.moments(noise: 0), Self.moments(noise: 0.3))
        let v = try OutputTarget(exact).weight(plain, of: w, share: 1)
        let bias = BiasCorrection.bias(old, weight: w, replacement: v, moments: exact)
        let before = Self.error(plain, old, w, old, noise: 0)
        // The ridge of the Gram matrix pulls toward the matrix as it was.
        #expect(Self.error(v, bias, w, old, noise: 0) < 1e-3 * before)
        let target = try OutputTarget(noisy)
        let (half, whole) = (target.weight(plain, of: w, share: 0.5), target.weight(plain, of: w, share: 1))
        func reached(_ matrix: Matrix) -> Double {
            Self.error(matrix, BiasCorrection.bias(old, weight: w, replacement: matrix, moments: noisy), w, old, noise: 0.3)
        }
        #expect(reached(whole) < reached(half) && reached(half) < reached(plain))
        #expect(target.weight(plain, of: w, share: 0) == plain)
    }

    /// With as many inputs, naming the dense weight is the same as not naming it.
    @Test func withAllInputsNothingChanges() throws {
        let (dense, _) = Self.inputs(noise: 0.3)
        let noise = Self.random(Self.tokens, Self.features, "other noise")
        let own = Matrix(rows: Self.tokens, columns: Self.features) { dense[$0, $1] + 0.1 * noise[$0, $1] }
        var moments = PairedMoments(features: Self.features)
        moments.add(dense: dense, compressed: own, meansOnly: false, context: .serial)
        moments.finish(centred: false)
        let w = Self.random(6, Self.features, "weight")
        let target = try OutputTarget(moments)
        let (one, other) = (target.weight(w, share: 1), target.weight(w, of: w, share: 1))
        #expect(zip(one.elements, other.elements).allSatisfy { abs($0 - $1) < 1e-4 })
        #expect(one != w)
    }
}
