import LinearAlgebra
import StructuredMatrices
import Tensors

/// Monarch after a reordering of the inputs, whose blocks a trained weight does not come sorted for: inputs of like size
/// share a block, or such as are alike in how much they have in common with the rest, or such as reach the outputs together.
/// The best of these orders and the stored one is kept.
public struct PermutedMonarchFitter: Fitter {
    public static let method = FittingMethod(
        name: "monarch-permuted", family: PermutedMatrix.family, objectives: [.frobenius, .activations],
        summary: "Monarch by its sweeps after sorting the inputs by size or by what they have in common",
        source: "Monarch, arXiv 2204.00595; the orders are this project's")

    /// Fits each order; counts that it leaves open are those that it chooses for the stored order, of input blocks two at
    /// least.
    public var monarch: MonarchFitter

    public init(monarch: MonarchFitter = MonarchFitter()) { self.monarch = monarch }

    /// Cost: `MonarchFitter`'s, that of three fits with given counts, and two eigendecompositions of G's size.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<PermutedMatrix> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let orderCost = Cost(
            parameters: 0, storedBytes: Permutation.storedBytes(shape.columns), multiplyAdds: 0)
        let inner = size.remaining(after: orderCost, shape: shape)
        let reduced = try objective.reduced(to: Self.method.objectives)
        var best: Fit<PermutedMatrix>?
        var monarch = monarch
        for order in try Self.orders(weight, reduced.gram) {
            let places = order.indices
            let sorted = Matrix(rows: shape.rows, columns: shape.columns) { weight[$0, places[$1]] }
            let sortedObjective: Objective =
                try reduced.gram.map { gram in
                    let matrix = DoubleMatrix(rows: gram.size, columns: gram.size) {
                        gram.matrix[places[$0], places[$1]]
                    }
                    return .activations(try Gram(matrix, relativeDamping: 0))
                } ?? .frobenius
            let fit: Fit<Monarch>
            do {
                fit = try monarch.fit(sorted, objective: sortedObjective, size: inner, context: context)
            } catch FittingError.budgetBelowMinimum(let matrix, _, _, _, let minimum) {
                // Two blocks may cost more than one.
                guard best == nil else { continue }
                throw FittingError.budgetBelowMinimum(
                    matrix: matrix, family: PermutedMatrix.family.name, shape: shape, budget: size,
                    minimum: minimum + orderCost)
            }
            monarch.inputBlocks = monarch.inputBlocks ?? Self.blocks(shape, beside: fit.matrix)
            monarch.outputGroups = fit.matrix.outputGroups
            let matrix = try PermutedMatrix(fit.matrix, columnOrder: order.inverse.indices)
            let measured = try Fit(
                measuring: matrix, for: weight, objective: objective, context: context, trace: fit.trace)
            if let best, best.relativeError <= measured.relativeError { continue }
            best = measured
        }
        guard let best else { throw FittingError.emptyWeight(matrix: context.name, shape: shape) }
        return best
    }

    /// One block is the same in any order.
    private static func blocks(_ shape: MatrixShape, beside matrix: Monarch) -> Int {
        matrix.inputBlocks == 1 && shape.columns % 2 == 0 ? 2 : matrix.inputBlocks
    }

    /// Each sorts inputs into consecutive blocks.
    private static func orders(_ weight: Matrix, _ gram: Gram?) throws -> [Permutation] {
        let stored = Permutation.identity(weight.columns)
        guard let gram else {
            var norms = [Double](repeating: 0, count: weight.columns)
            for (index, value) in weight.elements.enumerated() {
                norms[index % weight.columns] += Double(value) * Double(value)
            }
            return [stored, .sorting(norms)]
        }
        let sizes = gram.diagonal
        // Entries of the leading eigenvector of the inputs' correlations, without their signs; a dead input has none.
        let scales = sizes.map { $0 > 0 ? 1 / $0.squareRoot() : 0 }
        let correlations = DoubleMatrix(rows: gram.size, columns: gram.size) {
            gram.matrix[$0, $1] * scales[$0] * scales[$1]
        }
        let leading = try SymmetricEigen(correlations).vectors.row(gram.size - 1).map(abs)
        return [stored, .sorting(sizes), .sorting(leading), try coupled(weight, gram)]
    }

    /// Inputs that reach the outputs together come next to each other: (W^T W)_ij G_ij is what i and j add to the outputs'
    /// energy in common, and the order is that of the normalised cut of its correlations, without their signs (Shi and
    /// Malik, IEEE PAMI 22(8), 2000).
    private static func coupled(_ weight: Matrix, _ gram: Gram) throws -> Permutation {
        let energies = weight.converted(to: Double.self).gramian()
        let scales = (0..<gram.size).map { input in
            let energy = energies[input, input] * gram.matrix[input, input]
            return energy > 0 ? 1 / energy.squareRoot() : 0
        }
        let affinities = DoubleMatrix(rows: gram.size, columns: gram.size) {
            $0 == $1 ? 0 : abs(energies[$0, $1] * gram.matrix[$0, $1]) * scales[$0] * scales[$1]
        }
        let degrees = (0..<gram.size).map { input in
            let degree = affinities.row(input).reduce(0, +)
            return degree > 0 ? 1 / degree.squareRoot() : 0
        }
        let normalised = DoubleMatrix(rows: gram.size, columns: gram.size) { affinities[$0, $1] * degrees[$0] * degrees[$1] }
        // The first eigenvector is that of one part.
        let cut = try SymmetricEigen(normalised).vectors.row(max(0, gram.size - 2))
        return .sorting(zip(cut, degrees).map(*))
    }
}
