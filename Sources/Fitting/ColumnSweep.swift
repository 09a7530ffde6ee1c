import LinearAlgebra
import Tensors

/// What a sweep over columns does to each weight: rounds it, or drops it.
protocol ColumnRule {
    /// Consecutive positions that are decided together.
    var chunk: Int { get }
    /// Rows that are decided together.
    var tile: Int { get }

    /// Called before the weights of a tile at `positions` are settled; they are compensated for all columns before.
    mutating func begin(rows: Range<Int>, positions: Range<Int>, weights: MutableMatrixView)

    /// The value that is stored in place of a row's weight at `position`; `weights` are all of the row's.
    mutating func settle(row: Int, position: Int, weights: UnsafePointer<Float>) -> Float
}

extension ErrorCompensation {
    /// Settles the columns of `weights` one after another, and moves each one's error into the columns still to come. Rows
    /// are those of the caller's piece, columns in the order of `order`; afterwards they hold what was stored.
    ///
    /// Within a block of columns errors are moved at once, behind it by one matrix product: about rows columns^2
    /// multiply-adds, nearly all of them in products.
    /// - Parameter blocks: consecutive positions; each of whole chunks, so that a chunk's columns are fully compensated when
    ///   it is decided. Evenly cut when nil.
    func sweep<Rule: ColumnRule>(_ weights: MutableMatrixView, blocks: [Range<Int>]? = nil, rule: inout Rule) {
        let size = weights.columns
        let (chunk, tile) = (rule.chunk, rule.tile)
        let even = max(1, Self.blockSize / chunk) * chunk
        inverseRoot.withView { u in
            for block in blocks ?? stride(from: 0, to: size, by: even).map({ $0..<min(size, $0 + even) }) {
                let start = block.lowerBound
                var errors = Matrix(rows: weights.rows, columns: block.count)
                errors.withMutableView { errors in
                    for top in stride(from: 0, to: weights.rows, by: tile) {
                        let rows = top..<min(weights.rows, top + tile)
                        for first in stride(from: start, to: block.upperBound, by: chunk) {
                            let positions = first..<min(block.upperBound, first + chunk)
                            rule.begin(rows: rows, positions: positions, weights: weights)
                            for row in rows {
                                let (values, rowErrors) = (weights.row(row), errors.row(row))
                                for position in positions {
                                    let factors = u.row(position)
                                    let stored = rule.settle(row: row, position: position, weights: values)
                                    let error = (values[position] - stored) / factors[position]
                                    rowErrors[position - start] = error
                                    values[position] = stored
                                    guard error != 0 else { continue }
                                    for later in position + 1..<max(block.upperBound, position + 1) {
                                        values[later] -= error * factors[later]
                                    }
                                }
                            }
                        }
                    }
                }
                let rest = block.upperBound..<size
                errors.withView {
                    multiply(
                        $0, u.block(rows: block, columns: rest), alpha: -1, beta: 1, into: weights.columns(rest))
                }
            }
        }
    }
}
