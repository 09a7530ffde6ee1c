import LinearAlgebra
import StructuredMatrices
import Tensors

/// The rows of a table in a basis in which product quantization does best: that of the principal axes of its weighted rows
/// under the objective (as in OPQ's parametric solution, Ge et al. 2013, and transform coding). Columns are uncorrelated there and
/// of falling variance, so that bits can go where the variance is.
///
/// With D the rows' weights, H = L L^T what weights columns, and U the eigenvectors of L^T W^T D W L: the rows W L U are
/// quantized under the plain norm, and U^T L^-1, itself quantized, brings them back.
package struct RotatedRows: Sendable {
    /// W L U.
    let rows: Matrix
    /// Mean squares of its columns under the rows' weights, descending.
    let variances: [Double]
    /// U^T L^-1.
    let back: Matrix
    /// Relative weights of the rows.
    let weights: [Float]
    /// Rows by weight times size, the largest first: those on which bits are spent best.
    package let order: [Int]
    private let context: FitContext

    /// Of k-means.
    static let rounds = 8
    static let groupSize = 64

    /// Cost: three products of rows columns^2 multiply-adds and one eigendecomposition.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    package init(_ weight: Matrix, objective: Objective, context: FitContext) throws {
        try context.check(weight, objective)
        let columns = weight.columns
        let weights = objective.relativeRowWeights(rows: weight.rows)
        // The objective's own scale cancels, but its numbers and their inverses have to be fit for storing.
        let trace = objective.gram?.diagonal.reduce(0, +) ?? 0
        let scale = trace > 0 ? (trace / Double(columns)).squareRoot() : 1
        let root = try objective.gram?.root()
        let turned = root.map { root in
            var factor = root.factor
            factor.scale(by: 1 / scale)
            return weight.multiplied(by: factor.converted(to: Float.self))
        } ?? weight
        // A thousand rows at a time in `Double`, so that a large table needs no second copy.
        var moments = DoubleMatrix(rows: columns, columns: columns)
        for first in stride(from: 0, to: weight.rows, by: 1024) {
            let piece = first..<min(weight.rows, first + 1024)
            var rows = DoubleMatrix(
                rows: piece.count, columns: columns,
                elements: turned.elements[piece.lowerBound * columns..<piece.upperBound * columns].map(Double.init))
            rows.scaleRows(by: weights[piece].map { Double($0).squareRoot() })
            moments.addGramian(of: rows)
        }
        let eigen = try SymmetricEigen(moments)
        // Ascending there, descending here; row i is the axis of variance i.
        let axes = DoubleMatrix(rows: columns, columns: columns) { eigen.vectors[columns - 1 - $0, $1] }
        let total = weights.reduce(0.0) { $0 + Double($1) }
        variances = eigen.values.reversed().map { max(0, $0) / total }
        rows = turned.multiplied(by: axes.converted(to: Float.self), transposeOther: true)
        var back = root.map { $0.solveRight(axes) } ?? axes
        if root != nil { back.scale(by: scale) }
        self.back = back.converted()
        let sizes = (0..<weight.rows).map { row in
            weights[row] * turned.row(row).reduce(0) { $0 + $1 * $1 }
        }
        order = sizes.indices.sorted { (sizes[$1], $0) < (sizes[$0], $1) }
        self.weights = weights
        self.context = context
    }

    /// Bits for the numbers of the basis: its rounding must stay a few hundredths of what the codes leave.
    package static func basisBits(codeBits: Int, columns: Int) -> Int {
        codeBits <= columns ? 5 : codeBits <= 2 * columns ? 6 : 8
    }

    /// U^T L^-1 as it is stored.
    func basis(bits: Int) throws -> Quantized {
        try ScaleSearchFitter<Quantized>(bits: bits, groupSize: Self.groupSize).fit(
            back, objective: .frobenius, size: .storedBytes(.max), context: context
        ).matrix
    }

    /// The given rows in product quantization.
    func quantized(_ selected: [Int]? = nil, subspaces: Int, bits: Int) throws -> ProductQuantized {
        let part = selected.map { chosen in
            Matrix(rows: chosen.count, columns: rows.columns) { rows[chosen[$0], $1] }
        } ?? rows
        let quantizer = SubspaceQuantizer(
            starts: SubspaceQuantizer.ofEqualRate(subspaces, bits: bits, variances: variances),
            count: ProductQuantizationFitter.centroids(bits: bits, rows: part.rows), rounds: Self.rounds)
        let (codes, centroids) = try quantizer.quantize(
            part, weights: selected.map { chosen in chosen.map { weights[$0] } } ?? weights,
            purpose: "rotated rows \(subspaces) of \(part.rows)", context: context)
        return try ProductQuantized(
            codes: codes, starts: quantizer.starts, centroids: Factor(centroids, precision: context.precision),
            rows: part.rows)
    }

    /// What every row contributes to the squared norm of the error under an objective, all of them quantized alike and brought
    /// back by the basis as it is stored. About rows columns^2 multiply-adds, twice with a Gram matrix.
    package func rowErrors(
        subspaces: Int, bits: Int, of weight: Matrix, under assessment: Objective
    ) throws -> [Double] {
        let basis = try basis(bits: Self.basisBits(codeBits: subspaces * bits, columns: rows.columns)).dense()
        var difference = try quantized(subspaces: subspaces, bits: bits).dense().multiplied(by: basis)
        for index in difference.elements.indices { difference.elements[index] -= weight.elements[index] }
        let weighted = assessment.gram.map { difference.multiplied(by: $0.matrix.converted(to: Float.self)) } ?? difference
        let weights = assessment.rowWeights
        return (0..<weight.rows).map { row in
            let sum = zip(difference.row(row), weighted.row(row)).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            return max(0, sum) * (weights?[row] ?? 1)
        }
    }
}
