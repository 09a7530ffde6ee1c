import Foundation
import LinearAlgebra
import Tensors

/// Scaled dot-product attention of one sequence with its gradient: scores softmax(Q K^T / sqrt(width)) V for each head
/// (Vaswani et al. 2017), key-value heads shared by groups of query heads, rotary positions where there are angles.
public struct AttentionCore: Sendable {
    public var heads: Int
    public var keyValueHeads: Int
    public var isCausal: Bool
    /// Radians per position of each pair of channels (i, i + width / 2); nil without rotary positions.
    public var frequencies: [Double]?
    /// Tokens before its own that a token sees, itself among them; nil for all.
    public var window: Int?

    public init(heads: Int, keyValueHeads: Int, isCausal: Bool, frequencies: [Double]? = nil, window: Int? = nil) {
        precondition(keyValueHeads > 0 && heads % keyValueHeads == 0)
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.isCausal = isCausal
        self.frequencies = frequencies
        self.window = window
    }

    /// What the gradient needs again.
    struct Trace {
        let queries: DoubleMatrix
        let keys: DoubleMatrix
        let values: DoubleMatrix
        /// Of each head, tokens x tokens.
        let shares: [DoubleMatrix]
    }

    func callAsFunction(
        queries: DoubleMatrix, keys: DoubleMatrix, values: DoubleMatrix
    ) -> (output: DoubleMatrix, trace: Trace) {
        let (queries, keys) = (turned(queries, heads, 1), turned(keys, keyValueHeads, 1))
        let width = queries.columns / heads
        let valueWidth = values.columns / keyValueHeads
        var output = DoubleMatrix(rows: queries.rows, columns: heads * valueWidth)
        var shares: [DoubleMatrix] = []
        for head in 0..<heads {
            let shared = head / (heads / keyValueHeads)
            var scores = queries.head(head, width).multiplied(by: keys.head(shared, width), transposeOther: true)
            scores.scale(by: 1 / Double(width).squareRoot())
            softmax(&scores)
            output.setBlock(scores.multiplied(by: values.head(shared, valueWidth)), row: 0, column: head * valueWidth)
            shares.append(scores)
        }
        return (output, Trace(queries: queries, keys: keys, values: values, shares: shares))
    }

    /// Derivatives by queries, keys and values, before their rotation.
    func backward(
        _ output: DoubleMatrix, _ trace: Trace
    ) -> (queries: DoubleMatrix, keys: DoubleMatrix, values: DoubleMatrix) {
        let width = trace.queries.columns / heads
        let valueWidth = trace.values.columns / keyValueHeads
        var queries = DoubleMatrix(rows: trace.queries.rows, columns: trace.queries.columns)
        var keys = DoubleMatrix(rows: trace.keys.rows, columns: trace.keys.columns)
        var values = DoubleMatrix(rows: trace.values.rows, columns: trace.values.columns)
        for head in 0..<heads {
            let shared = head / (heads / keyValueHeads)
            let own = output.head(head, valueWidth)
            let shares = trace.shares[head]
            values.addBlock(shares.multiplied(by: own, transposeSelf: true), column: shared * valueWidth)
            // Through the softmax: s (d - sum of s d) of each row.
            var scores = own.multiplied(by: trace.values.head(shared, valueWidth), transposeOther: true)
            for row in 0..<scores.rows {
                var mean = 0.0
                for column in 0..<scores.columns { mean += shares[row, column] * scores[row, column] }
                for column in 0..<scores.columns {
                    scores[row, column] = shares[row, column] * (scores[row, column] - mean)
                }
            }
            scores.scale(by: 1 / Double(width).squareRoot())
            queries.addBlock(scores.multiplied(by: trace.keys.head(shared, width)), column: head * width)
            keys.addBlock(
                scores.multiplied(by: trace.queries.head(head, width), transposeSelf: true), column: shared * width)
        }
        return (turned(queries, heads, -1), turned(keys, keyValueHeads, -1), values)
    }

    private func softmax(_ scores: inout DoubleMatrix) {
        for row in 0..<scores.rows {
            let last = isCausal ? row : scores.columns - 1
            let first = window.map { max(0, row - $0 + 1) } ?? 0
            let largest = (first...last).reduce(-Double.infinity) { max($0, scores[row, $1]) }
            var sum = 0.0
            for column in 0..<scores.columns {
                let value = (first...last).contains(column) ? exp(scores[row, column] - largest) : 0
                scores[row, column] = value
                sum += value
            }
            for column in 0..<scores.columns { scores[row, column] /= sum }
        }
    }

    /// Every head's pairs turned by position times frequency, forwards or back.
    private func turned(_ matrix: DoubleMatrix, _ heads: Int, _ direction: Double) -> DoubleMatrix {
        guard let frequencies else { return matrix }
        var result = matrix
        let width = matrix.columns / heads
        let half = width / 2
        for position in 0..<matrix.rows {
            for pair in 0..<half {
                let angle = direction * Double(position) * frequencies[pair]
                let (cosine, sine) = (cos(angle), sin(angle))
                for head in 0..<heads {
                    let (x, y) = (head * width + pair, head * width + pair + half)
                    result[position, x] = matrix[position, x] * cosine - matrix[position, y] * sine
                    result[position, y] = matrix[position, y] * cosine + matrix[position, x] * sine
                }
            }
        }
        return result
    }
}

extension DenseMatrix<Double> {
    func head(_ head: Int, _ width: Int) -> Self { block(rows: 0..<rows, columns: head * width..<(head + 1) * width) }

    mutating func addBlock(_ block: Self, column: Int) {
        for row in 0..<block.rows {
            for offset in 0..<block.columns { self[row, column + offset] += block[row, offset] }
        }
    }
}
