import LinearAlgebra
import StructuredMatrices
import Tensors

/// Tucker by higher-order orthogonal iteration from the truncated higher-order SVD. Under activations the output side is
/// refitted by exact least squares and everything by gradient refinement.
public struct TuckerFitter: Fitter {
    public static let method = FittingMethod(
        name: "hooi", family: Tucker.family, objectives: [.frobenius, .activations],
        summary: "higher-order orthogonal iteration from the higher-order singular value decomposition",
        source: "De Lathauwer et al. 2000; Tucker-2 for kernels, arXiv 1511.06530")

    /// Height and width of the kernel; 1 x 1 for linear layers.
    public var kernel: MatrixShape
    /// Of outputs, channels, height and width; nil keeps height and width and divides the budget between the others by the
    /// energy they lose.
    public var ranks: [Int]?
    /// Iterations at most.
    public var sweeps: Int
    /// Under activations.
    public var refinement: GradientRefinement

    public init(
        kernel: MatrixShape = MatrixShape(rows: 1, columns: 1), ranks: [Int]? = nil, sweeps: Int = 50,
        refinement: GradientRefinement = GradientRefinement()
    ) {
        (self.kernel, self.ranks, self.sweeps, self.refinement) = (kernel, ranks, sweeps, refinement)
    }

    /// Cost: an eigendecomposition for every side and iteration, and rows^2 columns + columns^2 rows / (h w) multiply-adds.
    /// - Throws: `FittingError` (`.indivisible` when the kernel does not divide the columns, `.invalidOption`),
    ///   `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<Tucker> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        guard kernel.rows > 0, kernel.columns > 0, shape.columns % kernel.count == 0 else {
            throw FittingError.indivisible(
                matrix: context.name, family: Tucker.family.name, shape: shape, blocks: kernel.count)
        }
        guard sweeps >= 0 else {
            throw Self.invalid("sweeps", "0 or more", sweeps)
        }
        if kernel.count == 1, ranks == nil, case .activations = objective {
            return try linear(weight, objective: objective, size: size, context: context)
        }
        let tensor = TuckerTensor(
            weight.converted(to: Double.self).elements,
            sizes: [shape.rows, shape.columns / kernel.count, kernel.rows, kernel.columns])
        let spectra = try (0..<4).map { try tensor.spectrum($0) }
        let ranks = try ranks(spectra.map(\.values), tensor.sizes, shape, size: size, context: context)
        // Rows of every basis are its vectors, leading first.
        var bases = zip(spectra, ranks).map { $0.vectors.block(rows: 0..<$1, columns: 0..<$0.vectors.columns) }
        let total = tensor.squaredNorm
        var core = tensor.projected(bases)
        var trace = [total > 0 ? max(0, 1 - core.squaredNorm / total) : 0]
        for sweep in 0..<sweeps where zip(ranks, tensor.sizes).contains(where: { $0 < $1 }) {
            try context.checkCancellation()
            for side in 0..<4 where ranks[side] < tensor.sizes[side] {
                let seen = tensor.projected(bases, except: side)
                bases[side] = try seen.spectrum(side).vectors.block(
                    rows: 0..<ranks[side], columns: 0..<tensor.sizes[side])
            }
            let before = core.squaredNorm
            core = tensor.projected(bases)
            trace.append(total > 0 ? max(0, 1 - core.squaredNorm / total) : 0)
            context.progress(FitProgress(sweep: sweep + 1, limit: sweeps, relativeError: trace.last ?? 0))
            if abs(core.squaredNorm - before) <= 1e-6 * before { break }
        }
        func factor(_ values: [Double], _ shape: [Int], _ precision: Precision) -> Factor {
            Factor(values.map { Float($0) }, shape: shape, precision: precision)
        }
        func matrix(_ precision: Precision) -> Tucker {
            Tucker(
                output: factor(bases[0].transposed().elements, [shape.rows, ranks[0]], precision),
                core: factor(core.elements, ranks, precision),
                input: factor(bases[1].elements, [ranks[1], tensor.sizes[1]], precision),
                vertical: factor(bases[2].elements, [ranks[2], kernel.rows], precision),
                horizontal: factor(bases[3].elements, [ranks[3], kernel.columns], precision))
        }
        let start = try Fit(
            measuring: matrix(context.precision), for: weight, objective: objective, context: context, trace: trace)
        guard case .activations(let gram) = objective, start.relativeError > 0 else { return start }
        let solved = try solvingOutput(of: matrix(.f32), weight, gram)
        let refined = try refinement.refine(solved, toward: weight, objective: objective, context: context)
        let values = refined.matrix.factors.map { Factor($0.values, shape: $0.shape, precision: context.precision) }
        let fit = try Fit(
            measuring: Tucker(
                output: values[0], core: values[1], input: values[2], vertical: values[3], horizontal: values[4]),
            for: weight, objective: objective, context: context, trace: refined.trace)
        return fit.relativeError < start.relativeError ? fit : start
    }

    /// Of a matrix no Tucker form is closer than the weighted low-rank one with the identity for its core, which is exact.
    private func linear(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext
    ) throws -> Fit<Tucker> {
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let rank = try size.largest(
            in: 1...min(shape.rows, shape.columns), family: Tucker.family, shape: shape, matrix: context.name
        ) { Tucker.cost(shape: shape, kernel: kernel, ranks: [$0, $0, 1, 1], precision: context.precision) }
        let factors = try LowRankFactorisation(weight, objective: objective, context: context).balancedFactors(rank: rank)
        func factor(_ matrix: DoubleMatrix, _ shape: [Int]) -> Factor {
            Factor(matrix.elements.map { Float($0) }, shape: shape, precision: context.precision)
        }
        let matrix = Tucker(
            output: factor(factors.u, [shape.rows, rank]), core: factor(.identity(rank), [rank, rank, 1, 1]),
            input: factor(factors.v, [rank, shape.columns]), vertical: factor(.identity(1), [1, 1]),
            horizontal: factor(.identity(1), [1, 1]))
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }

    /// The output side by W G M^T (M G M^T)^-1, M what the other sides make.
    private func solvingOutput(of matrix: Tucker, _ weight: Matrix, _ gram: Gram) throws -> Tucker {
        let inner = Tucker(
            output: Factor(Matrix.identity(matrix.ranks[0])), core: matrix.core, input: matrix.input,
            vertical: matrix.vertical, horizontal: matrix.horizontal
        ).dense().converted(to: Double.self)
        let weighted = inner.multiplied(by: gram.matrix)
        let normal = weighted.multiplied(by: inner, transposeOther: true)
        let target = weighted.multiplied(by: weight.converted(to: Double.self), transposeOther: true)
        let output = try solvePositive(normal, target, relativeRidge: 1e-10).transposed()
        return Tucker(
            output: Factor(output.converted(to: Float.self)), core: matrix.core, input: matrix.input,
            vertical: matrix.vertical, horizontal: matrix.horizontal)
    }

    /// The ranks asked for, or those within the budget that lose least energy by the bound of the higher-order SVD, the sum of
    /// both sides' tails.
    private func ranks(
        _ spectra: [[Double]], _ sizes: [Int], _ shape: MatrixShape, size: SizeBudget, context: FitContext
    ) throws -> [Int] {
        func cost(_ ranks: [Int]) -> Cost {
            Tucker.cost(shape: shape, kernel: kernel, ranks: ranks, precision: context.precision)
        }
        if let ranks {
            guard ranks.count == 4, zip(ranks, sizes).allSatisfy({ (1...$1).contains($0) }) else {
                throw Self.invalid("ranks", "four numbers from 1 to \(sizes)", ranks.first { $0 < 1 } ?? ranks.count)
            }
            guard size.allows(cost(ranks), shape: shape) else {
                throw FittingError.budgetBelowMinimum(
                    matrix: context.name, family: Tucker.family.name, shape: shape, budget: size, minimum: cost(ranks))
            }
            return ranks
        }
        let tails = spectra.map { values in
            values.reversed().reduce(into: [0.0]) { $0.append($0[$0.count - 1] + max(0, $1)) }.reversed() as [Double]
        }
        var best: (loss: Double, ranks: [Int])?
        for outputs in 1...sizes[0] {
            // Channels can be no more than what the outputs and the taps together tell apart, and the other way round.
            let most = min(sizes[1], outputs * sizes[2] * sizes[3])
            guard
                let channels = try? size.largest(
                    in: 1...most, family: Tucker.family, shape: shape, matrix: context.name,
                    cost: { cost([outputs, $0, sizes[2], sizes[3]]) })
            else { break }
            let loss = tails[0][outputs] + tails[1][channels]
            if loss < best?.loss ?? .infinity { best = (loss, [outputs, channels, sizes[2], sizes[3]]) }
        }
        if let best { return best.ranks }
        // Not even rank 1 with whole taps: with one tap it may.
        let smallest = [1, 1, 1, 1]
        guard size.allows(cost(smallest), shape: shape) else {
            throw FittingError.budgetBelowMinimum(
                matrix: context.name, family: Tucker.family.name, shape: shape, budget: size, minimum: cost(smallest))
        }
        return smallest
    }
}
