import LinearAlgebra
import StructuredMatrices
import Tensors

/// Product quantization in the basis of the principal axes of the rows, with sub-spaces of equal rate, and with more of them for
/// the rows that weigh most: W = (codes) (basis), the codes in two blocks of rows where rows differ.
public struct RotatedProductFitter: Fitter {
    public static let method = FittingMethod(
        name: "rotated-product-quantization", family: MatrixProduct.family, objectives: Objective.Kind.allCases,
        summary: "product quantization along principal axes, finer for the rows that weigh most",
        source: "OPQ, Ge et al. 2013; mixed precision by row is this project's")

    /// Sub-spaces of the rows in general; nil takes as many as the budget allows, for all rows alike.
    public var subspaces: Int?
    /// Sub-spaces of the rows that weigh most; nil treats all rows alike.
    public var topSubspaces: Int?
    /// How many of `shares` parts of the rows those are.
    public var share: Int
    /// K is two to this power, but never more than there are rows.
    public var bits: Int

    /// What `share` counts in.
    public static let shares = 64

    public init(subspaces: Int? = nil, topSubspaces: Int? = nil, share: Int = 8, bits: Int = 8) {
        self.subspaces = subspaces
        self.topSubspaces = topSubspaces
        self.share = share
        self.bits = bits
    }

    /// Rows in the finer block: 0 where it would be empty or all.
    package static func topRows(_ share: Int, of rows: Int) -> Int {
        let top = rows / shares * share + rows % shares * share / shares
        return top < rows ? top : 0
    }

    /// What a matrix of this form costs.
    public static func cost(
        shape: MatrixShape, subspaces: Int, topSubspaces: Int? = nil, share: Int = 8, bits: Int, precision: Precision
    ) -> Cost {
        let top = topSubspaces == nil ? 0 : topRows(share, of: shape.rows)
        func block(_ rows: Int, _ subspaces: Int) -> Cost {
            ProductQuantizationFitter.cost(
                shape: MatrixShape(rows: rows, columns: shape.columns), subspaces: subspaces, bits: bits, precision: precision)
        }
        let basis = Quantized.cost(
            shape: MatrixShape(rows: shape.columns, columns: shape.columns),
            bits: RotatedRows.basisBits(
                codeBits: max(subspaces, top > 0 ? topSubspaces ?? 0 : 0) * bits, columns: shape.columns),
            groupSize: RotatedRows.groupSize)
        guard top > 0, let topSubspaces else { return block(shape.rows, subspaces) + basis }
        let order = Cost(parameters: 0, storedBytes: Permutation.storedBytes(shape.rows), multiplyAdds: 0)
        return block(top, topSubspaces) + block(shape.rows - top, subspaces) + basis + order
    }

    /// As `RotatedRows`, and k-means for every block.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixProduct> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let (subspaces, bits) = try sizes(shape, size, context)
        let matrix = try matrix(RotatedRows(weight, objective: objective, context: context), subspaces, bits)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }

    /// The matrix of a table that is turned already.
    private func matrix(_ turned: RotatedRows, _ subspaces: Int, _ bits: Int) throws -> MatrixProduct {
        let top = topSubspaces == nil ? 0 : Self.topRows(share, of: turned.rows.rows)
        return try Self.assembled(
            columns: turned.rows.columns, order: turned.order, subspaces: subspaces,
            topSubspaces: top > 0 ? topSubspaces : nil, top: top, bits: bits
        ) { rows, subspaces in
            try turned.quantized(rows.count == turned.order.count ? nil : Array(turned.order[rows]), subspaces: subspaces, bits: bits)
        } basis: { bits, _ in
            try turned.basis(bits: bits)
        }
    }

    /// A matrix of this form of any codes and basis, for timing.
    package static func specimen(
        _ shape: MatrixShape, subspaces: Int, topSubspaces: Int?, share: Int, bits: Int,
        codes: (_ rows: Int, _ subspaces: Int) throws -> ProductQuantized,
        basis: (_ bits: Int, _ groupSize: Int) throws -> any StructuredMatrix
    ) throws -> MatrixProduct {
        let top = topSubspaces == nil ? 0 : topRows(share, of: shape.rows)
        return try assembled(
            columns: shape.columns, order: Array(0..<shape.rows), subspaces: subspaces,
            topSubspaces: top > 0 ? topSubspaces : nil, top: top, bits: bits, codes: { try codes($0.count, $1) }, basis: basis)
    }

    /// The codes of the first `top` rows of the order and of the others, and the basis.
    private static func assembled(
        columns: Int, order: [Int], subspaces: Int, topSubspaces: Int?, top: Int, bits: Int,
        codes: (_ places: Range<Int>, _ subspaces: Int) throws -> ProductQuantized,
        basis: (_ bits: Int, _ groupSize: Int) throws -> any StructuredMatrix
    ) throws -> MatrixProduct {
        let basisBits = RotatedRows.basisBits(codeBits: max(subspaces, topSubspaces ?? 0) * bits, columns: columns)
        guard let topSubspaces else {
            return try MatrixProduct([codes(order.indices, subspaces), basis(basisBits, RotatedRows.groupSize)])
        }
        var places = [Int](repeating: 0, count: order.count)
        for (place, row) in order.enumerated() { places[row] = place }
        let blocks = try RowBlocks([codes(0..<top, topSubspaces), codes(top..<order.count, subspaces)])
        return try MatrixProduct([
            PermutedMatrix(blocks, rowOrder: places), basis(basisBits, RotatedRows.groupSize),
        ])
    }

    private func sizes(_ shape: MatrixShape, _ size: SizeBudget, _ context: FitContext) throws -> (Int, Int) {
        guard (1...16).contains(bits) else { throw Self.invalid("bits", "1 to 16", bits) }
        guard (1...Self.shares).contains(share) else { throw Self.invalid("share", "1 to \(Self.shares)", share) }
        for (name, value) in [("subspaces", subspaces), ("top subspaces", topSubspaces)] {
            if let value, !(1...shape.columns).contains(value) {
                throw Self.invalid(name, "1 to the \(shape.columns) columns of a \(shape) matrix", value)
            }
        }
        // Where not even one sub-space of so many centroids is affordable, fewer centroids may be.
        var affordable = bits
        func cost(_ subspaces: Int) -> Cost {
            Self.cost(
                shape: shape, subspaces: subspaces, topSubspaces: topSubspaces, share: share, bits: affordable,
                precision: context.precision)
        }
        let range = subspaces.map { $0...$0 } ?? 1...shape.columns
        while affordable > 1, subspaces == nil, !size.allows(cost(range.lowerBound), shape: shape) { affordable -= 1 }
        let found = try size.largest(in: range, family: MatrixProduct.family, shape: shape, matrix: context.name, cost: cost)
        return (found, affordable)
    }
}
