import LinearAlgebra
import StructuredMatrices
import Tensors

/// Diagonal weights of a layer's outputs and inputs, made of the empirical Fisher information of its weight
/// (squared gradients, averaged over examples and summed over columns or rows; FWSVD, arXiv 2207.00112), alone
/// or together with the second moments of the inputs.
///
/// With d the rows' weights, c the columns' and G the inputs' moments (the identity where there is none) the
/// squared error of V for W is the sum over rows i of d_i (w_i - v_i) H (w_i - v_i)^T, H = C^1/2 G C^1/2.
public struct FisherWeighting: Sendable {
    /// One for each output; nil counts all the same.
    public let rows: [Double]?
    /// One for each input; nil counts all the same.
    public let columns: [Double]?
    /// The inputs' second moments, nil without activations.
    public let activations: Gram?
    /// H; nil where it is the identity.
    public let gram: Gram?

    /// A weight below this share of the largest is raised to it: a row or column that no example moved must not
    /// make the scaling singular (the square root, 1e-6, scales the weight).
    static let relativeFloor = 1e-12

    /// Memory: columns^2 doubles for H.
    /// - Throws: `FittingError.invalidFisherWeight` for a weight that is negative or not finite,
    ///   `.fisherMismatch` when the columns' weights are not as many as the Gram matrix's features.
    public init(rows: [Double]? = nil, columns: [Double]? = nil, activations: Gram? = nil) throws {
        self.rows = try rows.map { try Self.floored($0, side: "row") }
        self.columns = try columns.map { try Self.floored($0, side: "column") }
        self.activations = activations
        guard let columns = self.columns else {
            gram = activations
            return
        }
        if let activations, activations.size != columns.count {
            throw FittingError.fisherMismatch(
                matrix: "Gram matrix", side: "column", expected: activations.size, got: columns.count)
        }
        let scale = columns.map { $0.squareRoot() }
        gram = try Gram(
            DoubleMatrix(rows: columns.count, columns: columns.count) { row, column in
                scale[row] * scale[column] * (activations?.matrix[row, column] ?? (row == column ? 1 : 0))
            }, relativeDamping: 0)
    }

    private static func floored(_ weights: [Double], side: String) throws -> [Double] {
        if let index = weights.firstIndex(where: { !$0.isFinite || $0 < 0 }) {
            throw FittingError.invalidFisherWeight(side: side, index: index)
        }
        let floor = relativeFloor * (weights.max() ?? 0)
        return weights.map { max($0, floor) }
    }
}

extension Objective {
    /// - Throws: as `FisherWeighting.init`.
    public static func fisher(
        rows: [Double]? = nil, columns: [Double]? = nil, activations: Gram? = nil
    ) throws -> Objective {
        .fisher(try FisherWeighting(rows: rows, columns: columns, activations: activations))
    }
}
