import LinearAlgebra
import StructuredMatrices
import Tensors

/// BLAST by its authors' preconditioned alternating gradient descent, from a random start: the published method, kept as the
/// baseline of the exact sweeps. The paper's is in the Frobenius norm; under activations the same damped steps are taken in
/// the norm of the inputs' second moments.
///
/// U, then V, then S take a step along their gradients, preconditioned by (normal matrix + delta ||E||_F
/// I)^-1; the step falls linearly from 2 to 0 (2, because the authors differentiate ||E||^2 without the
/// half). The best iterate is kept.
public struct BLASTGradientFitter: Fitter {
    public static let method = FittingMethod(
        name: "blast-gradient", family: BLAST.family, objectives: [.frobenius, .activations],
        summary: "shared block bases by preconditioned gradient descent from a random start",
        source: "BLAST, arXiv 2410.21262, algorithm 2; the weighted steps are this project's")

    /// b; nil as in `BLASTFitter`.
    public var blocks: Int?
    /// Nil takes the paper's 300, and 100 under activations, where one costs more and gets further.
    public var iterations: Int?
    /// delta.
    public var damping: Double

    public init(blocks: Int? = nil, iterations: Int? = nil, damping: Double = 0.1) {
        self.blocks = blocks
        self.iterations = iterations
        self.damping = damping
    }

    /// Cost of an iteration: about 6 rows columns r + b^2 r^3 / 3 multiply-adds; under activations that of a sweep of
    /// `BLASTSweeper`. Weights of rows are not heeded.
    /// - Throws: `FittingError` (`.indivisible` when `blocks` does not divide both sizes).
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<BLAST> {
        try context.check(weight, objective)
        let iterations = iterations ?? (objective.gram == nil ? 300 : 100)
        guard iterations > 0 else {
            throw Self.invalid("iterations", "1 or more", iterations)
        }
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let (blocks, rank) = try BLAST.size(
            within: size, shape: shape, blocks: blocks, precision: context.precision, matrix: context.name)
        // Of the weight as the objective sees it; G is scaled to a mean square of 1 too, so that the damping means the same.
        let inputs = objective.gram.map { $0.diagonal.reduce(0, +) / Double($0.size) } ?? 1
        let deviation = inputs > 0 ? (weight.squaredNorm / Double(weight.count)).squareRoot() : 0
        var generator = context.generator(for: "blast-gradient")
        let scale = 1e-3 / Double(rank).squareRoot()
        func random(_ rows: Int, _ scale: Double) -> DoubleMatrix {
            DoubleMatrix(rows: rows, columns: rank) { _, _ in scale * generator.nextNormal() }
        }
        var factors = BLASTFactors(
            blocks: blocks, u: random(shape.rows, scale), s: random(blocks * blocks, 1),
            v: random(shape.columns, scale))
        guard deviation > 0 else {
            for index in factors.s.elements.indices { factors.s.elements[index] = 0 }
            return try Fit(
                measuring: factors.matrix(precision: context.precision), for: weight, objective: objective,
                context: context)
        }

        let descend = try Self.iteration(
            of: weight, gram: objective.gram, meanSquare: inputs, deviation: deviation, from: factors, damping: damping)
        var trace: [Double] = []
        var best: (error: Double, factors: BLASTFactors) = (.infinity, factors)
        for iteration in 0..<iterations {
            try context.checkCancellation()
            let error = descend(2 * (1 - Double(iteration) / Double(iterations)), &factors)
            trace.append(error)
            if error < best.error { best = (error, factors) }
            context.progress(FitProgress(sweep: iteration + 1, limit: iterations, relativeError: error))
        }
        for index in best.factors.s.elements.indices { best.factors.s.elements[index] *= deviation }
        best.factors.rebalance()
        return try Fit(
            measuring: best.factors.matrix(precision: context.precision), for: weight, objective: objective,
            context: context, trace: trace)
    }

    /// One iteration from the factors of the weight divided by its deviation, in place; returns the relative error after it.
    private static func iteration(
        of weight: Matrix, gram: Gram?, meanSquare: Double, deviation: Double, from factors: BLASTFactors, damping: Double
    ) throws -> (_ step: Double, inout BLASTFactors) -> Double {
        guard let gram else {
            let descent = BLASTDescent(weight, deviation: deviation, factors, damping: damping)
            return { step, factors in
                let error = descent.iterate(step: step)
                descent.store(into: &factors)
                return error
            }
        }
        var (scaled, moments) = (weight, gram.matrix)
        scaled.scale(by: Float(1 / deviation))
        moments.scale(by: 1 / meanSquare)
        let sweeper = try BLASTSweeper(
            scaled, objective: .activations(try Gram(moments, relativeDamping: 0)), blocks: factors.blocks, rank: factors.rank)
        var error = 1.0
        return { step, factors in
            error = sweeper.descend(&factors, step: step, ridge: damping * (error * sweeper.squaredNorm).squareRoot())
            return error
        }
    }
}

/// The working state of one descent, on the weight divided by its standard deviation.
private final class BLASTDescent {
    private let (blocks, rank, blockRows, blockColumns): (Int, Int, Int, Int)
    private let damping: Double
    private let target: DoubleMatrix
    private let squaredNorm: Double
    private let (u, s, v): (DoubleBuffer, DoubleBuffer, DoubleBuffer)
    /// E = What - W.
    private let residual: DoubleBuffer
    private let (scaled, product): (DoubleBuffer, DoubleBuffer)
    private let (leftGrams, rightGrams): (DoubleBuffer, DoubleBuffer)
    private let gradient: DoubleBuffer
    private let solver: PositiveSolver

    init(_ weight: Matrix, deviation: Double, _ factors: BLASTFactors, damping: Double) {
        (blocks, rank) = (factors.blocks, factors.rank)
        (blockRows, blockColumns) = (weight.rows / factors.blocks, weight.columns / factors.blocks)
        self.damping = damping
        target = DoubleMatrix(
            rows: weight.rows, columns: weight.columns,
            elements: weight.elements.map { Double($0) / deviation })
        squaredNorm = target.squaredNorm
        (u, s, v) = (DoubleBuffer(factors.u), DoubleBuffer(factors.s), DoubleBuffer(factors.v))
        residual = DoubleBuffer(rows: weight.rows, columns: weight.columns)
        scaled = DoubleBuffer(rows: max(blockRows, blockColumns), columns: rank)
        product = DoubleBuffer(rows: max(blockRows, blockColumns), columns: rank)
        leftGrams = DoubleBuffer(rows: blocks * rank, columns: rank)
        rightGrams = DoubleBuffer(rows: blocks * rank, columns: rank)
        gradient = DoubleBuffer(rows: rank, columns: 1)
        solver = PositiveSolver(size: rank)
    }

    func store(into factors: inout BLASTFactors) {
        u.store(into: &factors.u)
        s.store(into: &factors.s)
        v.store(into: &factors.v)
    }

    /// One iteration; returns the relative squared error after it.
    func iterate(step: Double) -> Double {
        updateLeft(step)
        updateRight(step)
        updateDiagonals(step)
        let norm = refreshResidual()
        return norm * norm / squaredNorm
    }

    private func pair(_ i: Int, _ j: Int) -> MutableDenseMatrixView<Double> {
        residual.view.block(
            rows: i * blockRows..<(i + 1) * blockRows, columns: j * blockColumns..<(j + 1) * blockColumns)
    }

    /// scaled = source with columns multiplied by s_ij.
    private func scale(_ source: MutableDenseMatrixView<Double>, _ i: Int, _ j: Int)
        -> MutableDenseMatrixView<Double>
    {
        let (result, diagonal) = (scaled.view.rows(0..<source.rows), s.view.row(i * blocks + j))
        for row in 0..<source.rows {
            let (from, to) = (source.row(row), result.row(row))
            for component in 0..<rank { to[component] = from[component] * diagonal[component] }
        }
        return result
    }

    /// Recomputes E; returns its norm.
    private func refreshResidual() -> Double {
        residual.load(target)
        for i in 0..<blocks {
            for j in 0..<blocks {
                multiply(
                    scale(u.block(i, rows: blockRows), i, j).readable,
                    v.block(j, rows: blockColumns).readable,
                    transposeB: true, beta: -1, into: pair(i, j))
            }
        }
        var sum = 0.0
        for index in 0..<target.count { sum += residual.view.base[index] * residual.view.base[index] }
        return sum.squareRoot()
    }

    private func refreshGrams(_ factor: DoubleBuffer, rows: Int, into grams: DoubleBuffer) {
        for block in 0..<blocks {
            let view = factor.block(block, rows: rows).readable
            multiply(view, transposeA: true, view, into: grams.block(block, rows: rank))
        }
    }

    private func updateLeft(_ step: Double) {
        let ridge = damping * refreshResidual()
        refreshGrams(v, rows: blockColumns, into: rightGrams)
        for i in 0..<blocks {
            let gradient = product.view.rows(0..<blockRows)
            for j in 0..<blocks {
                multiply(
                    pair(i, j).readable, scale(v.block(j, rows: blockColumns), i, j).readable,
                    beta: j == 0 ? 0 : 1,
                    into: gradient)
            }
            descend(u.block(i, rows: blockRows), along: gradient, rightGrams, ridge, step) { (i, $0) }
        }
    }

    private func updateRight(_ step: Double) {
        let ridge = damping * refreshResidual()
        refreshGrams(u, rows: blockRows, into: leftGrams)
        for j in 0..<blocks {
            let gradient = product.view.rows(0..<blockColumns)
            for i in 0..<blocks {
                multiply(
                    pair(i, j).readable, transposeA: true, scale(u.block(i, rows: blockRows), i, j).readable,
                    beta: i == 0 ? 0 : 1, into: gradient)
            }
            descend(v.block(j, rows: blockColumns), along: gradient, leftGrams, ridge, step) { ($0, j) }
        }
    }

    /// factor -= step gradient (sum over blocks of S gram S + ridge I)^-1.
    private func descend(
        _ factor: MutableDenseMatrixView<Double>, along gradient: MutableDenseMatrixView<Double>,
        _ grams: DoubleBuffer,
        _ ridge: Double, _ step: Double, _ index: (Int) -> (Int, Int)
    ) {
        let matrix = solver.matrix
        matrix.base.update(repeating: 0, count: rank * rank)
        for block in 0..<blocks {
            let (i, j) = index(block)
            let (diagonal, gram) = (s.view.row(i * blocks + j), grams.block(block, rows: rank))
            for row in 0..<rank {
                let (source, target) = (gram.row(row), matrix.row(row))
                for column in 0..<rank { target[column] += diagonal[row] * source[column] * diagonal[column] }
            }
        }
        for component in 0..<rank { matrix.row(component)[component] += ridge }
        guard solver.factorise() else { return }
        solver.solveRight(gradient)
        for element in 0..<factor.rows * rank { factor.base[element] -= step * gradient.base[element] }
    }

    private func updateDiagonals(_ step: Double) {
        let ridge = damping * refreshResidual()
        refreshGrams(u, rows: blockRows, into: leftGrams)
        refreshGrams(v, rows: blockColumns, into: rightGrams)
        for i in 0..<blocks {
            let (left, leftGram) = (u.block(i, rows: blockRows), leftGrams.block(i, rows: rank))
            for j in 0..<blocks {
                let image = product.view.rows(0..<blockRows)
                multiply(pair(i, j).readable, v.block(j, rows: blockColumns).readable, into: image)
                let rightGram = rightGrams.block(j, rows: rank)
                let direction = gradient.view.base
                direction.update(repeating: 0, count: rank)
                for row in 0..<blockRows {
                    for component in 0..<rank {
                        direction[component] += left.row(row)[component] * image.row(row)[component]
                    }
                }
                for row in 0..<rank {
                    let (matrix, first, second) = (
                        solver.matrix.row(row), leftGram.row(row), rightGram.row(row)
                    )
                    for column in 0..<rank { matrix[column] = first[column] * second[column] }
                    matrix[row] += ridge
                }
                guard solver.factorise() else { continue }
                solver.solveLeft(gradient.view)
                let diagonal = s.view.row(i * blocks + j)
                for component in 0..<rank { diagonal[component] -= step * direction[component] }
            }
        }
    }
}
