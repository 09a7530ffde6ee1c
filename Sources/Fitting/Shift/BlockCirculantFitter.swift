import LinearAlgebra
import StructuredMatrices
import Tensors

/// The best block-circulant matrix under any objective: the means of the wrapped diagonals under Frobenius, under activations
/// linear least squares in the columns' numbers of each row of blocks.
public struct BlockCirculantFitter: Fitter {
    public static let method = FittingMethod(
        name: "block-circulant-projection", family: BlockCirculant.family, objectives: Objective.Kind.allCases,
        summary: "means of wrapped diagonals, or least squares in them", source: "textbook")

    /// b; nil takes the smallest that the budget allows.
    public var block: Int?

    public init(block: Int? = nil) { self.block = block }

    /// Cost: under activations columns^3 / 3 + b columns^2 multiply-adds, with weights of rows for each of rows / b rows of
    /// blocks.
    /// - Throws: `FittingError` (`.indivisible` when `block` does not divide both sizes), `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<BlockCirculant> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let block = try BlockCount.smallest(
            within: size, shape: shape, blocks: block, family: BlockCirculant.family, context: context
        ) { BlockCirculant.cost(shape: shape, block: $0, precision: context.precision) }
        let wide = weight.converted(to: Double.self)
        let weighted = objective.gram.map { wide.multiplied(by: $0.matrix) } ?? wide
        // [rows / b][columns], block after block; cycle s of block q at q b + s.
        var cycles: [Double] = []
        var solution: SymmetricRoot?
        for first in stride(from: 0, to: shape.rows, by: block) {
            try context.checkCancellation()
            let shares = (0..<block).map { objective.rowWeights?[first + $0] ?? 1 }
            var target = DoubleMatrix(rows: shape.columns, columns: 1)
            for row in 0..<block {
                for unknown in 0..<shape.columns {
                    target.elements[unknown] +=
                        shares[row] * weighted[first + row, Self.column(of: unknown, row: row, block: block)]
                }
            }
            guard let gram = objective.gram else {
                let total = shares.reduce(0, +)
                cycles += target.elements.map { total > 0 ? $0 / total : 0 }
                continue
            }
            if solution == nil || objective.rowWeights != nil {
                solution = try SymmetricRoot(Self.normal(gram.matrix, shares), relativeFloor: 1e-13)
            }
            cycles += solution?.solve(target).elements ?? []
        }
        let matrix = BlockCirculant(
            cycles: Factor(
                cycles.map { Float($0) }, shape: [shape.rows / block, shape.columns / block, block],
                precision: context.precision))
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }

    /// Where cycle s of block q is found in row `row` of a row of blocks.
    private static func column(of unknown: Int, row: Int, block: Int) -> Int {
        unknown / block * block + (row - unknown % block + block) % block
    }

    /// Sum over the rows of a row of blocks of G in the order in which they see the unknowns.
    private static func normal(_ gram: DoubleMatrix, _ shares: [Double]) -> DoubleMatrix {
        var result = DoubleMatrix(rows: gram.rows, columns: gram.columns)
        result.withMutableView { result in
            gram.withView { gram in
                for (row, share) in shares.enumerated() {
                    let columns = (0..<gram.columns).map { column(of: $0, row: row, block: shares.count) }
                    for unknown in columns.indices {
                        let (source, target) = (gram.row(columns[unknown]), result.row(unknown))
                        for other in columns.indices { target[other] += share * source[columns[other]] }
                    }
                }
            }
        }
        return result
    }
}
