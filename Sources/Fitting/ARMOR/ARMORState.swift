import LinearAlgebra
import StructuredMatrices
import Tensors

/// W = A S B in the making: A and B block-diagonal, S with N of every M consecutive numbers of a row. Every step is an exact
/// minimum over its own unknowns under the objective, or conjugate gradients towards it, so that the error never rises.
struct ARMORState {
    let wide: DoubleMatrix
    let gram: DoubleMatrix?
    let kept: Int
    let group: Int
    let context: FitContext
    /// Square blocks along the diagonals.
    var left: [DoubleMatrix]
    var right: [DoubleMatrix]
    var core: DoubleMatrix
    var mask: [Bool]
    /// Groups of a row whose places may change in one round, for each block of A.
    private var changes: [Int]

    private var leftSize: Int { left[0].rows }
    private var rightSize: Int { right[0].rows }

    init(_ start: NMSparse, weight: Matrix, objective: Objective, leftSize: Int, rightSize: Int, context: FitContext) {
        wide = weight.converted()
        gram = objective.gram?.matrix
        (kept, group, self.context) = (start.kept, start.group, context)
        left = Array(repeating: .identity(leftSize), count: weight.rows / leftSize)
        right = Array(repeating: .identity(rightSize), count: weight.columns / rightSize)
        core = start.dense().converted()
        mask = start.keptPlaces
        changes = Array(repeating: max(1, weight.columns / group / 8), count: left.count)
    }

    /// V G, rows x columns.
    private func weighted(_ v: DoubleMatrix) -> DoubleMatrix { gram.map { v.multiplied(by: $0) } ?? v }

    /// diag(blocks) V.
    static func times(_ blocks: [DoubleMatrix], _ v: DoubleMatrix, transposed: Bool = false) -> DoubleMatrix {
        var result = DoubleMatrix(rows: v.rows, columns: v.columns)
        let size = blocks[0].rows
        result.withMutableView { result in
            v.withView { v in
                for (index, block) in blocks.enumerated() {
                    let rows = index * size..<(index + 1) * size
                    block.withView { multiply($0, transposeA: transposed, v.rows(rows), into: result.rows(rows)) }
                }
            }
        }
        return result
    }

    /// V diag(blocks).
    static func times(_ v: DoubleMatrix, _ blocks: [DoubleMatrix], transposed: Bool = false) -> DoubleMatrix {
        var result = DoubleMatrix(rows: v.rows, columns: v.columns)
        let size = blocks[0].rows
        result.withMutableView { result in
            v.withView { v in
                for (index, block) in blocks.enumerated() {
                    let columns = index * size..<(index + 1) * size
                    block.withView {
                        multiply(v.columns(columns), $0, transposeB: transposed, into: result.columns(columns))
                    }
                }
            }
        }
        return result
    }

    /// Squared errors of the rows of each block of A.
    func errors() -> [Double] {
        let difference = wide - Self.times(left, Self.times(core, right))
        let weighted = weighted(difference)
        return left.indices.map { block in
            let range = block * leftSize * wide.columns..<(block + 1) * leftSize * wide.columns
            return zip(difference.elements[range], weighted.elements[range]).reduce(0) { $0 + $1.0 * $1.1 }
        }
    }

    /// The best A for given S and B: least squares, block by block.
    mutating func updateLeft() throws {
        let inner = Self.times(core, right)
        let weightedInner = weighted(inner)
        for block in left.indices {
            let rows = block * leftSize..<(block + 1) * leftSize
            func cut(_ m: DoubleMatrix) -> DoubleMatrix { m.block(rows: rows, columns: 0..<m.columns) }
            let (v, vg) = (cut(inner), cut(weightedInner))
            let normal = v.multiplied(by: vg, transposeOther: true)
            guard normal.squaredNorm > 0 else { continue }
            left[block] = try solvePositive(
                normal, vg.multiplied(by: cut(wide), transposeOther: true), relativeRidge: 1e-10
            ).transposed()
        }
    }

    /// The best blocks of B for given A and S, one after the other.
    mutating func updateRight() throws {
        let inner = Self.times(left, core)
        var image = weighted(wide - Self.times(inner, right))
        for block in right.indices {
            let columns = block * rightSize..<(block + 1) * rightSize
            let u = inner.block(rows: 0..<inner.rows, columns: columns)
            let normal = u.gramian()
            guard normal.squaredNorm > 0 else { continue }
            let gradient = u.multiplied(by: image.block(rows: 0..<image.rows, columns: columns), transposeSelf: true)
            var step = try solvePositive(normal, gradient, relativeRidge: 1e-10)
            if let gram {
                let corner = gram.block(rows: columns, columns: columns)
                step = try solvePositive(corner, step.transposed(), relativeRidge: 1e-12).transposed()
            }
            right[block] = right[block] + step
            let change = u.multiplied(by: step)
            if let gram {
                image = image - change.multiplied(by: gram.block(rows: columns, columns: 0..<gram.columns))
            } else {
                for row in 0..<image.rows {
                    for (index, column) in columns.enumerated() { image[row, column] -= change[row, index] }
                }
            }
        }
    }

    /// A^T A by blocks, B G B^T and A^T W G B^T: what steps in S need.
    private func normalEquations() -> (left: [DoubleMatrix], right: DoubleMatrix, target: DoubleMatrix) {
        let whole = gram ?? .identity(wide.columns)
        // G B^T, then B G B^T.
        let half = Self.times(whole, right, transposed: true)
        return (
            left.map { $0.gramian() }, Self.times(right, half),
            Self.times(left, Self.times(weighted(wide), right, transposed: true), transposed: true)
        )
    }

    /// Better numbers in the core, in the same places.
    mutating func updateCore(iterations: Int) throws {
        let (f, h, target) = normalEquations()
        core = try MaskedQuadratic(h: h, left: f, iterations: iterations).minimise(
            from: core, target: target, mask: mask, context: context)
    }

    /// Rounds of new places for the groups that gain most when all but them stays; the rows of a block whose error did not
    /// fall go back, and change fewer groups the next time.
    mutating func updatePlaces(rounds: Int) throws {
        // All choices of a group of 4 are few; of larger ones they are too many.
        guard group == 4, kept < 4 else { return }
        // What could not change before may after the other steps.
        changes = changes.map { max(1, $0) }
        let (f, h, target) = normalEquations()
        let chooser = GroupChoice(kept: kept, h: h)
        var before = errors()
        for _ in 0..<rounds {
            try context.checkCancellation()
            let gradient = target - Self.times(f, core.multiplied(by: h))
            let (oldCore, oldMask) = (core, mask)
            for row in 0..<wide.rows {
                let block = row / leftSize
                guard changes[block] > 0 else { continue }
                let weight = f[block][row % leftSize, row % leftSize]
                guard weight > 0 else { continue }
                for change in chooser.best(row, core, gradient, mask, weight: weight, count: changes[block]) {
                    for place in 0..<4 {
                        core[row, change.column + place] = change.values[place]
                        mask[row * wide.columns + change.column + place] = change.keeps & (1 << place) != 0
                    }
                }
            }
            let after = errors()
            var changed = false
            for block in left.indices where changes[block] > 0 {
                if after[block] < before[block] {
                    (before[block], changed) = (after[block], true)
                    continue
                }
                let range = block * leftSize * wide.columns..<(block + 1) * leftSize * wide.columns
                core.elements.replaceSubrange(range, with: oldCore.elements[range])
                mask.replaceSubrange(range, with: oldMask[range])
                changes[block] /= 2
            }
            if !changed && changes.allSatisfy({ $0 == 0 }) { break }
        }
    }
}

extension NMSparse {
    /// Which weights are kept, rows x columns.
    var keptPlaces: [Bool] {
        var mask = [Bool](repeating: false, count: shape.count)
        for (row, places) in keptColumns.enumerated() {
            for column in places { mask[row * shape.columns + column] = true }
        }
        return mask
    }
}
