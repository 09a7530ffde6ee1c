import LinearAlgebra
import Tensors

/// Exact block minimisation for one output group of a Monarch matrix under tr((W - V) G (W - V)^T); groups share nothing,
/// so each is fitted by itself.
///
/// With Z the group's right factors in their input blocks (k r x n), a step takes one block's R_b and *all* of L to their
/// joint optimum, the other R_a staying: once what Z's other rows explain is taken out of both W and the block's inputs
/// (a Schur complement of G), that is a truncated singular value decomposition. Sweeps of such steps end after some five
/// where alternating L and R takes thirty. A step is about l i (i + k r) + k r i (i + k r) multiply-adds and an
/// eigendecomposition of size min(l, i), l rows of the group and i inputs of a block.
struct MonarchSweeper {
    private let (blocks, rank, size): (Int, Int, Int)
    private let gram: DoubleMatrix
    /// W, or where it is taller than wide the triangular factor of it, which has the same losses.
    private let weight: DoubleMatrix
    /// The above times G.
    private let weighted: DoubleMatrix
    private let squaredNorm: Double

    /// R_b and what follows from it: T_b = W G_:b R_b^T, and N_ab = R_a G_ab R_b^T.
    private var right: [DoubleMatrix]
    private var targets: [DoubleMatrix]
    private var normal: DoubleMatrix

    /// - Parameter weight: the group's rows, l x n.
    /// - Throws: `LinearAlgebraError`.
    init(_ weight: DoubleMatrix, gram: Gram, squaredNorm: Double, blocks: Int, start: MonarchGroup) throws {
        (self.blocks, rank, size) = (blocks, start.right.rows / blocks, weight.columns / blocks)
        self.gram = gram.matrix
        self.weight = weight.rows > weight.columns ? try QR(weight).r : weight
        weighted = self.weight.multiplied(by: gram.matrix)
        self.squaredNorm = squaredNorm
        right = []
        targets = []
        normal = DoubleMatrix(rows: blocks * rank, columns: blocks * rank)
        for block in 0..<blocks {
            let factor = start.right.block(rows: components(block), columns: 0..<size)
            right.append(factor)
            targets.append(target(factor, block))
            for other in 0...block { setNormal(other, block, product(other, block)) }
        }
    }

    private func input(_ block: Int) -> Range<Int> { block * size..<(block + 1) * size }
    private func components(_ block: Int) -> Range<Int> { block * rank..<(block + 1) * rank }

    private func target(_ factor: DoubleMatrix, _ block: Int) -> DoubleMatrix {
        weighted.block(rows: 0..<weighted.rows, columns: input(block)).multiplied(by: factor, transposeOther: true)
    }

    /// R_a G_ab.
    private func image(_ a: Int, _ b: Int) -> DoubleMatrix {
        right[a].multiplied(by: gram.block(rows: input(a), columns: input(b)))
    }

    /// R_a G_ab R_b^T.
    private func product(_ a: Int, _ b: Int) -> DoubleMatrix { image(a, b).multiplied(by: right[b], transposeOther: true) }

    private mutating func setNormal(_ a: Int, _ b: Int, _ value: DoubleMatrix) {
        normal.setSymmetricBlock(value, row: a * rank, column: b * rank)
    }

    /// One step for every block; returns the loss after it.
    /// - Throws: `LinearAlgebraError`.
    mutating func sweep() throws -> Double {
        var loss = squaredNorm
        for block in 0..<blocks { loss = try step(block) }
        return max(0, loss)
    }

    private mutating func step(_ b: Int) throws -> Double {
        let others = (0..<blocks).filter { $0 != b }
        var inner = gram.block(rows: input(b), columns: input(b))
        var residual = weighted.block(rows: 0..<weighted.rows, columns: input(b))
        var explained = 0.0
        var crossed = DoubleMatrix(rows: others.count * rank, columns: size)
        if !others.isEmpty {
            var target = DoubleMatrix(rows: others.count * rank, columns: weighted.rows)
            var otherNormal = DoubleMatrix(rows: others.count * rank, columns: others.count * rank)
            for (place, a) in others.enumerated() {
                crossed.setBlock(image(a, b), row: place * rank, column: 0)
                target.setBlock(targets[a].transposed(), row: place * rank, column: 0)
                for (second, c) in others.enumerated() {
                    otherNormal.setBlock(
                        normal.block(rows: components(a), columns: components(c)), row: place * rank, column: second * rank)
                }
            }
            let root = try SymmetricRoot(otherNormal, relativeFloor: 1e-13)
            let solved = root.solve(crossed)
            inner = inner - crossed.multiplied(by: solved, transposeSelf: true)
            residual = residual - target.multiplied(by: solved, transposeSelf: true)
            explained = target.innerProduct(root.solve(target))
        }
        let root = try SymmetricRoot(inner)
        let whitened = root.solveRightTransposed(residual)
        let (directions, gain) = try leading(whitened)
        right[b] = root.solveRight(directions)
        targets[b] = target(right[b], b)
        for (place, a) in others.enumerated() {
            setNormal(
                a, b, crossed.block(rows: place * rank..<(place + 1) * rank, columns: 0..<size)
                    .multiplied(by: right[b], transposeOther: true))
        }
        setNormal(b, b, product(b, b))
        return squaredNorm - explained - gain
    }

    /// The leading right singular vectors as rows, and the sum of the squares of their values; from the smaller of the two
    /// Gram matrices.
    private func leading(_ matrix: DoubleMatrix) throws -> (DoubleMatrix, gain: Double) {
        let isWide = matrix.columns > matrix.rows
        let eigen = try SymmetricEigen(
            isWide ? matrix.multiplied(by: matrix, transposeOther: true) : matrix.gramian())
        let count = eigen.values.count
        let chosen = (0..<min(rank, count)).map { count - 1 - $0 }
        var vectors = DoubleMatrix(rows: rank, columns: count)
        for (row, index) in chosen.enumerated() {
            for column in 0..<count { vectors[row, column] = eigen.vectors[index, column] }
        }
        let gain = chosen.reduce(0) { $0 + max(0, eigen.values[$1]) }
        guard isWide else { return (vectors, gain) }
        var directions = vectors.multiplied(by: matrix)
        let negligible = 1e-24 * max(0, eigen.values.last ?? 0)
        for (row, index) in chosen.enumerated() where eigen.values[index] > negligible {
            let scale = 1 / eigen.values[index].squareRoot()
            for column in 0..<directions.columns { directions[row, column] *= scale }
        }
        return (directions, gain)
    }

    /// The group with L = W G Z^T (Z G Z^T)^-1 for the rows of `weighted` (the group's rows of W G).
    /// - Throws: `LinearAlgebraError`.
    func group(weighted: DoubleMatrix) throws -> MonarchGroup {
        var group = MonarchGroup(
            left: DoubleMatrix(rows: weighted.rows, columns: blocks * rank),
            right: DoubleMatrix(rows: blocks * rank, columns: size))
        var target = DoubleMatrix(rows: blocks * rank, columns: weighted.rows)
        for block in 0..<blocks {
            group.right.setBlock(right[block], row: block * rank, column: 0)
            target.setBlock(
                right[block].multiplied(
                    by: weighted.block(rows: 0..<weighted.rows, columns: input(block)), transposeOther: true),
                row: block * rank, column: 0)
        }
        group.left = try SymmetricRoot(normal, relativeFloor: 1e-13).solve(target).transposed()
        group.rebalance()
        return group
    }
}
