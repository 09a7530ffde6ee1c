import CKernels
import Tensors

/// The product with a matrix of packed 4-bit codes that stand for the numbers of a table.
struct PreparedLookup: PreparedProduct {
    let panels: PackedCodes
    /// 16 numbers.
    let table: [Float]

    var shape: MatrixShape { panels.shape }
    var byteCount: Int { panels.byteCount }
    func scratchFloats(batch: Int) -> Int { 0 }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        switch WorkSplit(panels: panels.panels, batch: input.rows, members: worker.count) {
        case .panels:
            panels.multiply(input, table: table, panels: worker.share(of: panels.panels), into: output)
        case .batch:
            let rows = worker.share(of: input.rows, grain: WorkSplit.batchGrain)
            panels.multiply(input.rows(rows), table: table, panels: 0..<panels.panels, into: output.rows(rows))
        }
    }
}

extension PackedCodes {
    /// Shared by all threads and never written: the tables are constants.
    private nonisolated(unsafe) static let lookups = tessera_lookup_best().pointee

    /// Y = X W^T for the rows of some panels, codes standing for the numbers of a table.
    fileprivate func multiply(_ x: MatrixView, table: [Float], panels: Range<Int>, into y: MutableMatrixView) {
        withPanels(panels) { packed, rows in
            Self.lookups.lookupProduct(
                table, groupSize, x.base, x.rowStride, packed, y.base + rows.lowerBound, y.rowStride, y.rows, rows.count,
                shape.columns, false)
        }
    }
}
