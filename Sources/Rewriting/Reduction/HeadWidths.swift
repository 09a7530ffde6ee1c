import LinearAlgebra
import Tensors

/// The matrices of one key-value head: what reads the residual stream and what writes it.
public struct AttentionHead: Sendable {
    /// Of each query head that reads this key-value head: width x features.
    public var queries: [DoubleMatrix]
    public var queryBiases: [[Double]]
    public var key: DoubleMatrix
    public var keyBias: [Double]
    public var value: DoubleMatrix
    public var valueBias: [Double]
    /// Of each query head: outputs x width.
    public var outputs: [DoubleMatrix]

    public init(
        queries: [DoubleMatrix], queryBiases: [[Double]], key: DoubleMatrix, keyBias: [Double], value: DoubleMatrix,
        valueBias: [Double], outputs: [DoubleMatrix]
    ) {
        precondition(queries.count == outputs.count && queries.count == queryBiases.count)
        self.queries = queries
        self.queryBiases = queryBiases
        self.key = key
        self.keyBias = keyBias
        self.value = value
        self.valueBias = valueBias
        self.outputs = outputs
    }
}

/// Value and output matrices of a head as a product of less width (MoDeGPT type III, arXiv 2408.09632): the singular value
/// decomposition of W_o W_v C^(1/2), C the moments of what values are made of, by way of matrices no wider than the head.
///
/// Attention's weights add up to one, so that a constant in the values is a constant of the output. Where the output has a
/// bias the values' mean goes there, exactly, and C is the covariance.
public struct ValueOutputReduction: Sendable {
    /// Singular values, descending: width^2 tails are the squared error (per token, for attention that looks at one token).
    public let singularValues: [Double]
    private let head: AttentionHead
    /// P with W_v C W_v^T = P P^T.
    private let root: SymmetricRoot
    private let decomposition: SingularValues<Double>
    private let moments: InputMoments
    private let movesMean: Bool

    /// Cost: features^2 x width multiply-adds.
    /// - Parameter movesMean: whether the output has a bias that a constant can join.
    /// - Throws: `LinearAlgebraError`.
    public init(_ head: AttentionHead, moments: InputMoments, movesMean: Bool) throws {
        self.head = head
        self.moments = moments
        self.movesMean = movesMean
        let seen = movesMean ? moments.covariance : moments.second
        let spread = head.value.multiplied(by: seen).multiplied(by: head.value, transposeOther: true)
        root = try SymmetricRoot(spread.symmetrised)
        let width = head.value.rows
        let all = DoubleMatrix.stacked(head.outputs).multiplied(by: root.factor)
        decomposition = try SingularValues(all)
        singularValues = Array(decomposition.values.prefix(width))
    }

    /// The head with `width` values, and what is to be added to the output's bias (nil where `movesMean` is false).
    /// - Precondition: 1 <= width <= the head's.
    public func reduced(to width: Int) -> (head: AttentionHead, offset: [Double]?) {
        let cut = decomposition.truncated(to: width)
        var result = head
        // V_k^T P^-1 W_v, and U_k S_k cut into the query heads again.
        result.value = cut.vt.multiplied(by: root.inverseTimes(head.value))
        var left = cut.u
        for row in 0..<left.rows {
            for column in 0..<left.columns { left[row, column] *= cut.values[column] }
        }
        let outputs = head.outputs[0].rows
        result.outputs = head.outputs.indices.map {
            left.block(rows: $0 * outputs..<($0 + 1) * outputs, columns: 0..<left.columns)
        }
        guard movesMean else {
            result.valueBias = cut.vt.multiplied(by: root.inverseTimes(DoubleMatrix(column: head.valueBias))).elements
            return (result, nil)
        }
        result.valueBias = Array(repeating: 0, count: width)
        let mean = DoubleMatrix(column: moments.mean)
        let before = head.value.multiplied(by: mean) + DoubleMatrix(column: head.valueBias)
        let after = result.value.multiplied(by: mean)
        var offset = [Double](repeating: 0, count: outputs)
        for (old, new) in zip(head.outputs, result.outputs) {
            let change = old.multiplied(by: before) - new.multiplied(by: after)
            for row in 0..<outputs { offset[row] += change[row, 0] }
        }
        return (result, offset)
    }
}

/// Query and key matrices of a head with fewer channels, where scores are plain products (learned positions, none): the
/// singular value decomposition of what the scores see, C_q^(1/2) W_q^T W_k C_k^(1/2) (MoDeGPT's alternative for models
/// without rotary positions, arXiv 2408.09632).
///
/// What is the same for all keys of a query cancels in the softmax: the keys' bias and mean do not count.
public struct QueryKeyReduction: Sendable {
    public let singularValues: [Double]
    private let head: AttentionHead
    private let root: SymmetricRoot
    private let decomposition: SingularValues<Double>

    /// Cost: features^2 x width multiply-adds for each query head.
    /// - Throws: `LinearAlgebraError`.
    public init(_ head: AttentionHead, moments: InputMoments) throws {
        self.head = head
        let spread = head.key.multiplied(by: moments.covariance).multiplied(by: head.key, transposeOther: true)
        root = try SymmetricRoot(spread.symmetrised)
        // E[q q^T] of all query heads together, with their biases.
        let mean = DoubleMatrix(column: moments.mean)
        var queries = DoubleMatrix(rows: head.key.rows, columns: head.key.rows)
        for (matrix, bias) in zip(head.queries, head.queryBiases) {
            let offset = DoubleMatrix(column: bias)
            let average = matrix.multiplied(by: mean)
            queries = queries + matrix.multiplied(by: moments.second).multiplied(by: matrix, transposeOther: true)
            queries = queries + average.multiplied(by: offset, transposeOther: true)
            queries = queries + offset.multiplied(by: average, transposeOther: true)
            queries = queries + offset.multiplied(by: offset, transposeOther: true)
        }
        let queryRoot = try SymmetricRoot(queries.symmetrised)
        decomposition = try SingularValues(queryRoot.factor.multiplied(by: root.factor, transposeSelf: true))
        singularValues = decomposition.values
    }

    /// The head with `width` channels of queries and keys; the queries carry the factor that keeps scores as they were when
    /// they are divided by the root of the new width.
    /// - Precondition: 1 <= width <= the head's.
    public func reduced(to width: Int) -> AttentionHead {
        let directions = decomposition.truncated(to: width).vt
        let scale = (Double(width) / Double(head.key.rows)).squareRoot()
        var result = head
        // q . k = (V^T P^T q) . (V^T P^-1 k)
        let turn = directions.multiplied(by: root.factor, transposeOther: true)
        func turned(_ matrix: DoubleMatrix) -> DoubleMatrix {
            var product = turn.multiplied(by: matrix)
            product.scale(by: scale)
            return product
        }
        result.queries = head.queries.map(turned)
        result.queryBiases = head.queryBiases.map { turned(DoubleMatrix(column: $0)).elements }
        result.key = directions.multiplied(by: root.inverseTimes(head.key))
        result.keyBias = directions.multiplied(by: root.inverseTimes(DoubleMatrix(column: head.keyBias))).elements
        return result
    }
}

/// Pairs of channels that stay in queries and keys under rotary positions, where only whole pairs can go (CR decomposition,
/// MoDeGPT type II, arXiv 2408.09632). Rotation keeps a pair's norm, so that moments before it serve.
public enum RotaryPairs {
    /// sqrt(E|q_pair|^2 E|k_pair|^2) for each pair (i, i + width / 2), queries summed over the heads that read the key.
    public static func scores(_ head: AttentionHead, moments: InputMoments) -> [Double] {
        let half = head.key.rows / 2
        let keys = energies(head.key, head.keyBias, moments)
        var queries = [Double](repeating: 0, count: head.key.rows)
        for (matrix, bias) in zip(head.queries, head.queryBiases) {
            for (channel, energy) in energies(matrix, bias, moments).enumerated() { queries[channel] += energy }
        }
        return (0..<half).map { ((queries[$0] + queries[$0 + half]) * (keys[$0] + keys[$0 + half])).squareRoot() }
    }

    private static func energies(_ matrix: DoubleMatrix, _ bias: [Double], _ moments: InputMoments) -> [Double] {
        let seen = matrix.multiplied(by: moments.second)
        return (0..<matrix.rows).map { row in
            var (square, mean) = (0.0, 0.0)
            for column in 0..<matrix.columns {
                square += seen[row, column] * matrix[row, column]
                mean += matrix[row, column] * moments.mean[column]
            }
            return max(0, square + 2 * mean * bias[row] + bias[row] * bias[row])
        }
    }
}

extension DenseMatrix<Double> {
    init(column: [Double]) { self.init(rows: column.count, columns: 1, elements: column) }

    static func stacked(_ blocks: [Self]) -> Self {
        Self(
            rows: blocks.reduce(0) { $0 + $1.rows }, columns: blocks.first?.columns ?? 0,
            elements: blocks.flatMap(\.elements))
    }

    var symmetrised: Self {
        Self(rows: rows, columns: columns) { (self[$0, $1] + self[$1, $0]) / 2 }
    }
}

extension SymmetricRoot {
    /// L^-1 B, as L^T G^-1 B.
    fileprivate func inverseTimes(_ matrix: DoubleMatrix) -> DoubleMatrix {
        factor.multiplied(by: solve(matrix), transposeSelf: true)
    }
}
