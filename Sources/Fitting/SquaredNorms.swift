import Synchronization
import Tensors

/// The squared norms tr(W G W^T) of the last weights that were measured under one Gram matrix: by content, because every fit
/// gets the weight anew.
final class SquaredNorms: Sendable {
    /// Matrices that read the same inputs are few.
    private static let mostKept = 16
    private let known = Mutex<[(digest: Digest, norm: Double)]>([])

    /// What tells weights apart: shape, and 128 bits of all their numbers.
    private struct Digest: Equatable {
        let rows: Int
        let columns: Int
        var first: UInt64 = 0xcbf2_9ce4_8422_2325
        var second: UInt64 = 0x9e37_79b9_7f4a_7c15

        init(_ weight: Matrix) {
            (rows, columns) = (weight.rows, weight.columns)
            weight.elements.withUnsafeBufferPointer { elements in
                for element in elements {
                    let bits = UInt64(element.bitPattern)
                    first = (first ^ bits) &* 0x0000_0100_0000_01b3
                    second = (second &+ bits) &* 0xd6e8_feb8_6659_fd93
                    second ^= second >> 32
                }
            }
        }
    }

    /// - Parameter measure: the norm, where it is not known.
    func norm(of weight: Matrix, measure: () -> Double) -> Double {
        let digest = Digest(weight)
        if let found = known.withLock({ $0.first { $0.digest == digest }?.norm }) { return found }
        let norm = measure()
        known.withLock { known in
            if known.count >= Self.mostKept { known.removeFirst() }
            known.append((digest, norm))
        }
        return norm
    }
}
