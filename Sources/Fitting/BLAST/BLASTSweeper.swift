import LinearAlgebra
import Tensors

/// Exact block least squares for W_ij ~ U_i diag(s_ij) V_j^T under tr((W - V) G (W - V)^T): one `sweep`
/// minimises over the diagonals (one block after another), over every U_i, and over every V_j (one after
/// another), each with all else fixed, so the loss never rises. (BLAST, arXiv 2410.21262, with the objective
/// and the exact steps of this project.)
///
/// Nothing of size n x r b is formed. The sweep is carried by the b^2 blocks P_kj = V_k^T G_kj V_j (r x r)
/// and by T_j = W G_:j V_j (rows x r): about 2 n r (2 m + 2 n + 2 b r) + b^2 r^2 (6 b + r / 3) operations, n
/// columns, m rows. Blocks of blocks are stored component-first, [r][b][b r], so that sums over blocks are r
/// small matrix products.
final class BLASTSweeper {
    private let (rows, columns, blocks, rank): (Int, Int, Int, Int)
    private let (blockRows, blockColumns): (Int, Int)
    /// W G and G; W and nil under Frobenius.
    private let weightedWeight: DoubleBuffer
    private let gram: DoubleBuffer?
    private let gramInverses: [DoubleBuffer]
    /// tr(W G W^T).
    let squaredNorm: Double

    private let (u, s, v): (DoubleBuffer, DoubleBuffer, DoubleBuffer)
    /// b rows x r: T_j stacked.
    private let weightedRight: DoubleBuffer
    /// P_kj[sigma, rho] at [sigma][k][j r + rho].
    private let gramRight: DoubleBuffer
    /// sum_k S_ik P_kj at [sigma][i][j r + rho]; in the V step C_i S_ik at [rho][i][k r + sigma].
    private let mixed: DoubleBuffer
    /// sum_i S_ij C_i S_ik at [rho][j][k r + sigma].
    private let gramLeft: DoubleBuffer
    /// C_i = U_i^T U_i stacked.
    private let leftGrams: DoubleBuffer
    /// s_ij of component rho at [rho][i][j].
    private let diagonals: DoubleBuffer
    private let solver: PositiveSolver
    private let (tall, scaledLeft, wide, step, projected):
        (DoubleBuffer, DoubleBuffer, DoubleBuffer, DoubleBuffer, DoubleBuffer)
    private let (left, leftStep): (DoubleBuffer, DoubleBuffer)
    private let gradient: DoubleBuffer
    /// 1 and 0 for exact steps.
    private var (stepLength, ridge) = (1.0, 0.0)

    /// - Throws: `LinearAlgebraError`.
    init(_ weight: Matrix, objective: Objective, blocks: Int, rank: Int) throws {
        (rows, columns, self.blocks, self.rank) = (weight.rows, weight.columns, blocks, rank)
        (blockRows, blockColumns) = (rows / blocks, columns / blocks)
        let wide = weight.converted(to: Double.self)
        squaredNorm = objective.squaredNorm(of: wide)
        if let matrix = objective.gram?.matrix {
            weightedWeight = DoubleBuffer(wide.multiplied(by: matrix))
            gram = DoubleBuffer(matrix)
            let size = blockColumns
            gramInverses = try (0..<blocks).map { block in
                let range = block * size..<(block + 1) * size
                return DoubleBuffer(
                    try SymmetricRoot(matrix.block(rows: range, columns: range)).solve(.identity(size)))
            }
        } else {
            weightedWeight = DoubleBuffer(wide)
            gram = nil
            gramInverses = []
        }
        u = DoubleBuffer(rows: rows, columns: rank)
        s = DoubleBuffer(rows: blocks * blocks, columns: rank)
        v = DoubleBuffer(rows: columns, columns: rank)
        weightedRight = DoubleBuffer(rows: blocks * rows, columns: rank)
        gramRight = DoubleBuffer(rows: rank * blocks, columns: blocks * rank)
        mixed = DoubleBuffer(rows: rank * blocks, columns: blocks * rank)
        gramLeft = DoubleBuffer(rows: rank * blocks, columns: blocks * rank)
        leftGrams = DoubleBuffer(rows: blocks * rank, columns: rank)
        diagonals = DoubleBuffer(rows: rank * blocks, columns: blocks)
        solver = PositiveSolver(size: rank)
        tall = DoubleBuffer(rows: columns, columns: rank)
        scaledLeft = DoubleBuffer(rows: rows, columns: rank)
        self.wide = DoubleBuffer(rows: blocks * rank, columns: blockColumns)
        step = DoubleBuffer(rows: rank, columns: blockColumns)
        projected = DoubleBuffer(rows: rank, columns: blockColumns)
        left = DoubleBuffer(rows: blockRows, columns: rank)
        leftStep = DoubleBuffer(rows: blockRows, columns: rank)
        gradient = DoubleBuffer(rows: rank, columns: 1)
    }

    /// One sweep; returns the loss after it, relative to `squaredNorm`.
    func sweep(_ factors: inout BLASTFactors) -> Double {
        load(factors)
        refreshRight()
        refreshLeft()
        updateDiagonals()
        var loss = updateLeft()
        refreshLeft()
        loss -= updateRight()
        store(into: &factors)
        return max(0, loss) / squaredNorm
    }

    /// One sweep of damped gradient steps in place of the exact ones, V, then S, then U: each goes `step` times as far, along
    /// the gradient preconditioned by (normal matrix + ridge I)^-1. Returns the loss after it, relative to `squaredNorm`.
    func descend(_ factors: inout BLASTFactors, step: Double, ridge: Double) -> Double {
        (stepLength, self.ridge) = (step, ridge)
        defer { (stepLength, self.ridge) = (1, 0) }
        load(factors)
        refreshLeft()
        _ = updateRight()
        refreshRight()
        updateDiagonals()
        let loss = updateLeft()
        store(into: &factors)
        return max(0, loss) / squaredNorm
    }

    private func store(into factors: inout BLASTFactors) {
        u.store(into: &factors.u)
        s.store(into: &factors.s)
        v.store(into: &factors.v)
    }

    private func load(_ factors: BLASTFactors) {
        u.load(factors.u)
        s.load(factors.s)
        for component in 0..<rank {
            let target = diagonals.block(component, rows: blocks).base
            for index in 0..<blocks * blocks { target[index] = s.view.row(index)[component] }
        }
        v.load(factors.v)
    }

    /// T_j and P_kj of the current V.
    private func refreshRight() {
        for j in 0..<blocks {
            let input = j * blockColumns..<(j + 1) * blockColumns
            let right = v.block(j, rows: blockColumns).readable
            multiply(weightedWeight.readable.columns(input), right, into: weightedRight.block(j, rows: rows))
            if let gram {
                multiply(gram.readable.columns(input), right, into: tall.view)
                for k in 0..<blocks {
                    multiply(
                        v.block(k, rows: blockColumns).readable, transposeA: true,
                        tall.block(k, rows: blockColumns).readable, into: pair(gramRight, k, j))
                }
            } else {
                multiply(right, transposeA: true, right, into: pair(gramRight, j, j))
            }
        }
    }

    private func refreshLeft() {
        for i in 0..<blocks {
            let left = u.block(i, rows: blockRows).readable
            multiply(left, transposeA: true, left, into: leftGrams.block(i, rows: rank))
        }
    }

    /// The r x r block (first, second) of a component-first array.
    private func pair(_ buffer: DoubleBuffer, _ first: Int, _ second: Int) -> MutableDenseMatrixView<Double> {
        buffer.strided(
            offset: (first * blocks + second) * rank, rows: rank, columns: rank,
            stride: blocks * blocks * rank)
    }

    /// Per component: target[first] = sum over second of s(first, second) source[second], s transposed on
    /// demand, for the elements `part` of the last index.
    private func mixBlocks(
        _ source: DoubleBuffer, transposed: Bool = false, part: Range<Int>? = nil, into target: DoubleBuffer
    ) {
        let part = part ?? 0..<blocks * rank
        for component in 0..<rank {
            multiply(
                diagonals.block(component, rows: blocks).readable, transposeA: transposed,
                source.block(component, rows: blocks).readable.columns(part),
                into: target.block(component, rows: blocks).columns(part))
        }
    }

    /// s_ij += (C_i * P_jj)^-1 (diag(U_i^T T_ij) - sum_k diag(C_i S_ik P_kj)), all i, j after j.
    private func updateDiagonals() {
        let gradient = gradient.view.base
        for j in 0..<blocks {
            mixBlocks(gramRight, part: j * rank..<(j + 1) * rank, into: mixed)
            let (target, own) = (weightedRight.block(j, rows: rows), pair(gramRight, j, j))
            for i in 0..<blocks {
                let (left, leftGram, current) = (
                    u.block(i, rows: blockRows), leftGrams.block(i, rows: rank), pair(mixed, i, j)
                )
                gradient.update(repeating: 0, count: rank)
                for row in 0..<blockRows {
                    accumulate(left.row(row), target.row(i * blockRows + row), 1, into: gradient)
                }
                for sigma in 0..<rank {
                    accumulate(leftGram.row(sigma), current.row(sigma), -1, into: gradient)
                    let (matrix, first, second) = (
                        solver.matrix.row(sigma), leftGram.row(sigma), own.row(sigma)
                    )
                    for rho in 0..<rank { matrix[rho] = first[rho] * second[rho] }
                    matrix[sigma] += ridge
                }
                guard solver.factorise() else { continue }
                solver.solveLeft(self.gradient.view)
                let diagonal = s.view.row(i * blocks + j)
                for rho in 0..<rank {
                    diagonal[rho] += stepLength * gradient[rho]
                    diagonals.block(rho, rows: blocks).row(i)[j] = diagonal[rho]
                }
            }
        }
    }

    private func addRidge() {
        for component in 0..<rank { solver.matrix.row(component)[component] += ridge }
    }

    /// sum += sign * first * second, element by element.
    @inline(__always)
    private func accumulate(
        _ first: UnsafeMutablePointer<Double>, _ second: UnsafeMutablePointer<Double>, _ sign: Double,
        into sum: UnsafeMutablePointer<Double>
    ) {
        for index in 0..<rank { sum[index] += sign * first[index] * second[index] }
    }

    /// U_i += (A_i - U_i B_i) B_i^-1 with A_i = sum_j T_ij S_ij and B_i = sum_jk S_ij P_jk S_ik; returns the
    /// loss after it.
    private func updateLeft() -> Double {
        mixBlocks(gramRight, into: mixed)
        var loss = squaredNorm
        let normal = DoubleBuffer(rows: rank, columns: rank)
        for i in 0..<blocks {
            let current = u.block(i, rows: blockRows)
            left.view.base.update(repeating: 0, count: blockRows * rank)
            normal.view.base.update(repeating: 0, count: rank * rank)
            for j in 0..<blocks {
                let (diagonal, target, block) = (
                    s.view.row(i * blocks + j), weightedRight.block(j, rows: rows), pair(mixed, i, j)
                )
                for row in 0..<blockRows {
                    accumulate(diagonal, target.row(i * blockRows + row), 1, into: left.view.row(row))
                }
                for sigma in 0..<rank {
                    accumulate(diagonal, block.row(sigma), 1, into: normal.view.row(sigma))
                }
            }
            solver.matrix.base.update(from: normal.view.base, count: rank * rank)
            addRidge()
            if solver.factorise() {
                leftStep.view.base.update(from: left.view.base, count: blockRows * rank)
                multiply(current.readable, normal.readable, alpha: -1, beta: 1, into: leftStep.view)
                solver.solveRight(leftStep.view)
                for index in 0..<blockRows * rank { current.base[index] += stepLength * leftStep.view.base[index] }
            }
            // <U, 2 A - U B>, whatever the ridge did to the step.
            leftStep.view.base.update(from: left.view.base, count: blockRows * rank)
            multiply(current.readable, normal.readable, alpha: -1, beta: 2, into: leftStep.view)
            for index in 0..<blockRows * rank { loss -= current.base[index] * leftStep.view.base[index] }
        }
        return loss
    }

    /// V_j^T += M_jj^-1 (sum_i S_ij U_i^T (W G)_ij - sum_k M_jk V_k^T G_kj) G_jj^-1 with M_jk = sum_i S_ij
    /// C_i S_ik, j after j; returns by how much the loss fell if the steps are exact.
    private func updateRight() -> Double {
        for i in 0..<blocks {
            let leftGram = leftGrams.block(i, rows: rank)
            for rho in 0..<rank {
                let (source, target) = (leftGram.row(rho), mixed.block(rho, rows: blocks).row(i))
                for k in 0..<blocks {
                    let (diagonal, part) = (s.view.row(i * blocks + k), target + k * rank)
                    for sigma in 0..<rank { part[sigma] = source[sigma] * diagonal[sigma] }
                }
            }
        }
        mixBlocks(mixed, transposed: true, into: gramLeft)

        var decrease = 0.0
        for j in 0..<blocks {
            let input = j * blockColumns..<(j + 1) * blockColumns
            let right = v.block(j, rows: blockColumns)
            for i in 0..<blocks {
                let diagonal = s.view.row(i * blocks + j)
                for row in i * blockRows..<(i + 1) * blockRows {
                    let (source, target) = (u.view.row(row), scaledLeft.view.row(row))
                    for component in 0..<rank { target[component] = source[component] * diagonal[component] }
                }
            }
            let residual = projected.view
            multiply(
                scaledLeft.readable, transposeA: true, weightedWeight.readable.columns(input), into: residual)
            if let gram {
                for k in 0..<blocks {
                    multiply(
                        v.block(k, rows: blockColumns).readable, transposeA: true,
                        gram.block(k, rows: blockColumns).readable.columns(input),
                        into: wide.block(k, rows: rank))
                }
                let all = gramLeft.strided(
                    offset: j * blocks * rank, rows: rank, columns: blocks * rank,
                    stride: blocks * blocks * rank)
                multiply(all.readable, wide.readable, alpha: -1, beta: 1, into: residual)
            } else {
                multiply(
                    pair(gramLeft, j, j).readable, right.readable, transposeB: true, alpha: -1, beta: 1,
                    into: residual)
            }
            let own = pair(gramLeft, j, j)
            for rho in 0..<rank { solver.matrix.row(rho).update(from: own.row(rho), count: rank) }
            addRidge()
            guard solver.factorise() else { continue }
            let solved = wide.view.rows(0..<rank)
            solved.base.update(from: residual.base, count: rank * blockColumns)
            solver.solveLeft(solved)
            if gram == nil {
                step.view.base.update(from: solved.base, count: rank * blockColumns)
            } else {
                multiply(solved.readable, gramInverses[j].readable, into: step.view)
            }
            for component in 0..<rank {
                let (change, remainder) = (step.view.row(component), residual.row(component))
                for column in 0..<blockColumns {
                    right.row(column)[component] += stepLength * change[column]
                    decrease += change[column] * remainder[column]
                }
            }
        }
        return decrease
    }
}
