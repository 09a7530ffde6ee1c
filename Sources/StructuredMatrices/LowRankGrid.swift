import LinearAlgebra
import Tensors

/// A grid of low-rank blocks with shared factors: input blocks of consecutive columns, output groups of
/// consecutive or interleaved rows, and W restricted to (group g, block b) equal to some columns of the
/// left factor of g times some rows of the right factor of b. Monarch and BlockShuffle are such grids that
/// differ in which rows and columns meet; everything they compute is here.
///
/// Permutations cost nothing in the first stage (they are strides of the right factor); interleaved output
/// rows are one strided pass over the result.
struct LowRankGrid: Sendable {
    /// Which columns of left[g] meet which rows of right[b].
    struct Link {
        var leftColumns: Range<Int>
        var firstRightRow: Int
        var rightStep: Int
    }

    let shape: MatrixShape
    let inputBlocks: Int
    let outputGroups: Int
    /// Row p of group g is row p * outputGroups + g of W if interleaved, g * groupRows + p if not.
    let interleaved: Bool
    /// [inputBlocks, any, columns / inputBlocks].
    let right: Factor
    /// [outputGroups, rows / outputGroups, any].
    let left: Factor
    let link: @Sendable (_ group: Int, _ block: Int) -> Link

    private var groupRows: Int { shape.rows / outputGroups }
    private var blockColumns: Int { shape.columns / inputBlocks }
    /// Hidden features per output group.
    private var hidden: Int { left.shape[2] }
    private var multiplyAdds: Int { left.count + right.count }

    private func rightRows(_ right: MatrixView, _ block: Int, _ link: Link) -> MatrixView {
        right.stacked(block, rows: self.right.shape[1])
            .everyRow(link.rightStep, from: link.firstRightRow, count: link.leftColumns.count)
    }

    /// The rows of W, or of a matrix of its shape, that make up a group.
    private func rows(_ matrix: MatrixView, _ group: Int) -> MatrixView {
        interleaved
            ? matrix.everyRow(outputGroups, from: group, count: groupRows)
            : matrix.stacked(group, rows: groupRows)
    }

    func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        withViews { right, left in
            DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: multiplyAdds, context: context) {
                batch, context in
                let (input, output) = (input.rows(batch), output.rows(batch))
                withScratch(rows: batch.count, columns: outputGroups * hidden) { z in
                    context.parallelFor(inputBlocks) { block in
                        let x = input.sideBySide(block, columns: blockColumns)
                        for group in 0..<outputGroups {
                            let link = link(group, block)
                            guard !link.leftColumns.isEmpty else { continue }
                            DenseProduct.serial(
                                x, rightRows(right, block, link),
                                into: z.sideBySide(group, columns: hidden).columns(link.leftColumns))
                        }
                    }
                    @Sendable func second(_ y: MutableMatrixView) {
                        context.parallelFor(outputGroups) { group in
                            DenseProduct.serial(
                                z.readable.sideBySide(group, columns: hidden),
                                left.stacked(group, rows: groupRows),
                                into: y.sideBySide(group, columns: groupRows))
                        }
                    }
                    guard interleaved, outputGroups > 1 else { return second(output) }
                    withScratch(rows: batch.count, columns: shape.rows) { grouped in
                        second(grouped)
                        transposeWithinRows(
                            grouped.readable, rows: outputGroups, columns: groupRows, into: output,
                            context: context)
                    }
                }
            }
        }
    }

    func applyTransposed(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        withViews { right, left in
            DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: multiplyAdds, context: context) {
                batch, context in
                let (input, output) = (input.rows(batch), output.rows(batch))
                @Sendable func both(_ y: MatrixView) {
                    withScratch(rows: batch.count, columns: outputGroups * hidden) { z in
                        context.parallelFor(outputGroups) { group in
                            DenseProduct.serialTransposed(
                                y.sideBySide(group, columns: groupRows), left.stacked(group, rows: groupRows),
                                into: z.sideBySide(group, columns: hidden))
                        }
                        context.parallelFor(inputBlocks) { block in
                            var accumulating = false
                            for group in 0..<outputGroups {
                                let link = link(group, block)
                                guard !link.leftColumns.isEmpty else { continue }
                                DenseProduct.serialTransposed(
                                    z.readable.sideBySide(group, columns: hidden).columns(link.leftColumns),
                                    rightRows(right, block, link),
                                    into: output.sideBySide(block, columns: blockColumns),
                                    accumulating: accumulating)
                                accumulating = true
                            }
                        }
                    }
                }
                guard interleaved, outputGroups > 1 else { return both(input) }
                withScratch(rows: batch.count, columns: shape.rows) { grouped in
                    transposeWithinRows(
                        input, rows: groupRows, columns: outputGroups, into: grouped, context: context)
                    both(grouped.readable)
                }
            }
        }
    }

    func dense() -> Matrix {
        var result = Matrix(rows: shape.rows, columns: shape.columns)
        result.withMutableView { w in
            withViews { right, left in
                forEachLink { group, block, link in
                    let rows =
                        interleaved
                        ? w.everyRow(outputGroups, from: group, count: groupRows)
                        : w.stacked(group, rows: groupRows)
                    multiply(
                        left.stacked(group, rows: groupRows).columns(link.leftColumns),
                        rightRows(right, block, link),
                        into: rows.sideBySide(block, columns: blockColumns))
                }
            }
        }
        return result
    }

    func gather(rows: [Int]) -> Matrix {
        var result = Matrix(rows: rows.count, columns: shape.columns)
        result.withMutableView { w in
            withViews { right, left in
                for (index, row) in rows.enumerated() {
                    let (group, position) =
                        interleaved
                        ? (row % outputGroups, row / outputGroups) : (row / groupRows, row % groupRows)
                    let leftRow = left.rows(group * groupRows + position..<group * groupRows + position + 1)
                    for block in 0..<inputBlocks {
                        let link = link(group, block)
                        guard !link.leftColumns.isEmpty else { continue }
                        DenseProduct.serialTransposed(
                            leftRow.columns(link.leftColumns), rightRows(right, block, link),
                            into: w.rows(index..<index + 1).sideBySide(block, columns: blockColumns))
                    }
                }
            }
        }
        return result
    }

    /// dL/dright and dL/dleft from dL/dW.
    func gradients(_ gradient: Matrix) -> (right: [Float], left: [Float]) {
        var rightGradient = right.matrix
        var leftGradient = left.matrix
        rightGradient.withMutableView { rightGradient in
            leftGradient.withMutableView { leftGradient in
                gradient.withView { gradient in
                    withViews { right, left in
                        forEachLink { group, block, link in
                            let piece = rows(gradient, group).sideBySide(block, columns: blockColumns)
                            multiply(
                                piece, rightRows(right, block, link), transposeB: true,
                                into: leftGradient.stacked(group, rows: groupRows).columns(link.leftColumns))
                            multiply(
                                left.stacked(group, rows: groupRows).columns(link.leftColumns),
                                transposeA: true, piece,
                                into: rightGradient.stacked(block, rows: self.right.shape[1])
                                    .everyRow(
                                        link.rightStep, from: link.firstRightRow,
                                        count: link.leftColumns.count))
                        }
                    }
                }
            }
        }
        return (rightGradient.elements, leftGradient.elements)
    }

    private func forEachLink(_ body: (_ group: Int, _ block: Int, _ link: Link) -> Void) {
        for group in 0..<outputGroups {
            for block in 0..<inputBlocks {
                let link = link(group, block)
                if !link.leftColumns.isEmpty { body(group, block, link) }
            }
        }
    }

    private func withViews(_ body: (_ right: MatrixView, _ left: MatrixView) -> Void) {
        right.withView { right in left.withView { left in body(right, left) } }
    }
}
