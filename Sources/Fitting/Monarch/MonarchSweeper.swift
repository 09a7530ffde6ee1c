import LinearAlgebra
import Tensors

/// Exact block least squares for the groups of a Monarch matrix under tr((W - V) G (W - V)^T); groups share
/// nothing, so each is fitted by itself. With Z the group's right factors in their input blocks (k r x n), a
/// sweep sets L = W G Z^T (Z G Z^T)^-1 and then each R_b to its best value with all else fixed. About 4 n^2 r
/// operations.
final class MonarchSweeper {
    private let (groupRows, columns, blocks, rank): (Int, Int, Int, Int)
    private let blockColumns: Int
    private let gram: DoubleBuffer
    private let gramInverses: [DoubleBuffer]
    /// W G of the current group.
    private let weightedWeight: DoubleBuffer
    private var squaredNorm = 0.0

    private let (left, right): (DoubleBuffer, DoubleBuffer)
    /// G_:b R_b^T (n x r).
    private let tall: DoubleBuffer
    /// Z G Z^T, later L^T L (k r x k r).
    private let normal: DoubleBuffer
    private let (target, leftStep): (DoubleBuffer, DoubleBuffer)
    private let (wide, residual, step): (DoubleBuffer, DoubleBuffer, DoubleBuffer)
    private let (leftSolver, rightSolver): (PositiveSolver, PositiveSolver)

    /// - Throws: `LinearAlgebraError`.
    init(_ gram: Gram, groupRows: Int, blocks: Int, rank: Int) throws {
        (self.groupRows, columns, self.blocks, self.rank) = (groupRows, gram.size, blocks, rank)
        let size = gram.size / blocks
        blockColumns = size
        self.gram = DoubleBuffer(gram.matrix)
        gramInverses = try (0..<blocks).map { block in
            let range = block * size..<(block + 1) * size
            return DoubleBuffer(
                try SymmetricRoot(gram.matrix.block(rows: range, columns: range)).solve(.identity(size)))
        }
        weightedWeight = DoubleBuffer(rows: groupRows, columns: columns)
        left = DoubleBuffer(rows: groupRows, columns: blocks * rank)
        right = DoubleBuffer(rows: blocks * rank, columns: size)
        tall = DoubleBuffer(rows: columns, columns: rank)
        normal = DoubleBuffer(rows: blocks * rank, columns: blocks * rank)
        target = DoubleBuffer(rows: groupRows, columns: blocks * rank)
        leftStep = DoubleBuffer(rows: groupRows, columns: blocks * rank)
        wide = DoubleBuffer(rows: blocks * rank, columns: size)
        residual = DoubleBuffer(rows: rank, columns: size)
        step = DoubleBuffer(rows: rank, columns: size)
        leftSolver = PositiveSolver(size: blocks * rank)
        rightSolver = PositiveSolver(size: rank)
    }

    /// Turns to a group: its rows of W G, and tr(W G W^T) of its rows.
    func begin(weightedWeight: DoubleMatrix, squaredNorm: Double) {
        self.weightedWeight.load(weightedWeight)
        self.squaredNorm = squaredNorm
    }

    /// One sweep; returns the group's loss after it.
    func sweep(_ group: inout MonarchGroup) -> Double {
        left.load(group.left)
        right.load(group.right)
        let loss = updateLeft() - updateRight()
        left.store(into: &group.left)
        right.store(into: &group.right)
        group.rebalance()
        return max(0, loss)
    }

    private func input(_ block: Int) -> Range<Int> { block * blockColumns..<(block + 1) * blockColumns }
    private func components(_ block: Int) -> Range<Int> { block * rank..<(block + 1) * rank }

    private func updateLeft() -> Double {
        for b in 0..<blocks {
            let factor = right.block(b, rows: rank).readable
            multiply(
                weightedWeight.readable.columns(input(b)), factor, transposeB: true,
                into: target.view.columns(components(b)))
            multiply(gram.readable.columns(input(b)), factor, transposeB: true, into: tall.view)
            for a in 0..<blocks {
                multiply(
                    right.block(a, rows: rank).readable, tall.block(a, rows: blockColumns).readable,
                    into: normal.block(a, rows: rank).columns(components(b)))
            }
        }
        let (size, count) = (blocks * rank, groupRows * blocks * rank)
        leftSolver.matrix.base.update(from: normal.view.base, count: size * size)
        if leftSolver.factorise() {
            leftStep.view.base.update(from: target.view.base, count: count)
            multiply(left.readable, normal.readable, alpha: -1, beta: 1, into: leftStep.view)
            leftSolver.solveRight(leftStep.view)
            for index in 0..<count { left.view.base[index] += leftStep.view.base[index] }
        }
        // tr(W G W^T) - <L, 2 A - L B>, whatever the ridge did to the step.
        leftStep.view.base.update(from: target.view.base, count: count)
        multiply(left.readable, normal.readable, alpha: -1, beta: 2, into: leftStep.view)
        var loss = squaredNorm
        for index in 0..<count { loss -= left.view.base[index] * leftStep.view.base[index] }
        return loss
    }

    /// R_b += (L_b^T L_b)^-1 (L_b^T (W G)_b - sum_a L_b^T L_a R_a G_ab) G_bb^-1, b after b; returns by how
    /// much the loss fell.
    private func updateRight() -> Double {
        multiply(left.readable, transposeA: true, left.readable, into: normal.view)
        var decrease = 0.0
        for b in 0..<blocks {
            multiply(
                left.readable.columns(components(b)), transposeA: true,
                weightedWeight.readable.columns(input(b)),
                into: residual.view)
            for a in 0..<blocks {
                multiply(
                    right.block(a, rows: rank).readable,
                    gram.block(a, rows: blockColumns).readable.columns(input(b)),
                    into: wide.block(a, rows: rank))
            }
            let rows = normal.block(b, rows: rank)
            multiply(rows.readable, wide.readable, alpha: -1, beta: 1, into: residual.view)
            for row in 0..<rank {
                rightSolver.matrix.row(row).update(from: rows.row(row) + b * rank, count: rank)
            }
            guard rightSolver.factorise() else { continue }
            let solved = wide.view.rows(0..<rank)
            solved.base.update(from: residual.view.base, count: rank * blockColumns)
            rightSolver.solveLeft(solved)
            multiply(solved.readable, gramInverses[b].readable, into: step.view)
            let current = right.block(b, rows: rank)
            for index in 0..<rank * blockColumns {
                current.base[index] += step.view.base[index]
                decrease += step.view.base[index] * residual.view.base[index]
            }
        }
        return decrease
    }
}
