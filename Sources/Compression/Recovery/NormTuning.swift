import Tensors
import Transformers

/// Moments of single features in two models on the same tokens.
package struct PairedFeatures: Sendable {
    private var dense: [Double]
    private var own: [Double]
    private var ownSquares: [Double]
    private var products: [Double]
    private var tokens = 0

    package init(count: Int) {
        dense = [Double](repeating: 0, count: count)
        own = dense
        ownSquares = dense
        products = dense
    }

    /// - Parameters: tokens x features each.
    package mutating func add(dense: Matrix, own: Matrix) {
        tokens += own.rows
        dense.withView { left in
            own.withView { right in
                for row in 0..<right.rows {
                    let (x, y) = (left.row(row), right.row(row))
                    for column in self.own.indices {
                        let (wanted, given) = (Double(x[column]), Double(y[column]))
                        self.dense[column] += wanted
                        self.own[column] += given
                        ownSquares[column] += given * given
                        products[column] += wanted * given
                    }
                }
            }
        }
    }

    /// Against numbers of few tokens: a share of the variance that speaks for the gain as it is.
    private static let ridge = 1e-3

    /// The gain and shift of every feature with which what the compressed model has is closest to what the dense one has, in
    /// mean squares. A norm without shifts gets none.
    package func tuned(_ norm: NormValues) -> NormValues {
        var norm = norm
        let count = Double(max(1, tokens))
        for index in own.indices where index < norm.gain.count {
            let (x, y) = (dense[index] / count, own[index] / count)
            let hasShift = norm.shift != nil
            let variance = ownSquares[index] / count - (hasShift ? y * y : 0)
            let covariance = products[index] / count - (hasShift ? x * y : 0)
            let factor = variance > 0 ? (covariance + Self.ridge * variance) / (variance * (1 + Self.ridge)) : 1
            guard factor.isFinite else { continue }
            norm.gain[index] = Float(Double(norm.gain[index]) * factor)
            let shift = Double(norm.shift?[index] ?? 0)
            norm.shift?[index] = Float(shift * factor + x - factor * y)
        }
        return norm
    }
}
