import Tensors

/// One step of a prepared product, from batch x inputs to batch x outputs.
enum PreparedStage: Sendable {
    /// Products side by side: matrix i reads the inputs from `inputs[i]` on and writes the outputs from `outputs[i]` on.
    case products(PackedMatrix, inputs: [Int], outputs: [Int])
    /// Features seen as rows x columns cells of `cell` numbers, transposed.
    case transposition(rows: Int, columns: Int, cell: Int)
    /// The middle step of BLAST.
    case diagonals(PackedDiagonals)
    /// One small matrix with each of `copies` consecutive parts of the inputs.
    case repeated(PackedMatrix, copies: Int)
    /// The first inputs, as many as the matrix has rows, plus its product with the others.
    case interpolation(PackedMatrix)
    /// Output i is input `order[i]`.
    case permutation(Permutation)

    /// One matrix from all inputs to all outputs.
    static func product(_ matrix: PackedMatrix) -> PreparedStage { .products(matrix, inputs: [0], outputs: [0]) }

    /// Matrices along the diagonal.
    static func blocks(_ matrix: PackedMatrix) -> PreparedStage {
        .products(
            matrix, inputs: (0..<matrix.count).map { $0 * matrix.columns },
            outputs: (0..<matrix.count).map { $0 * matrix.rows })
    }

    /// Products alone can add to what is there.
    var canAccumulate: Bool {
        if case .products = self { true } else { false }
    }

    var outputs: Int {
        switch self {
        case .products(let matrix, _, _): matrix.count * matrix.rows
        case .transposition(let rows, let columns, let cell): rows * columns * cell
        case .diagonals(let s): s.outputs * s.width
        case .repeated(let matrix, let copies): copies * matrix.rows
        case .interpolation(let matrix): matrix.rows
        case .permutation(let order): order.count
        }
    }

    var byteCount: Int {
        switch self {
        case .products(let matrix, _, _): matrix.byteCount
        case .transposition: 0
        case .diagonals(let s): s.byteCount
        case .repeated(let matrix, _), .interpolation(let matrix): matrix.byteCount
        case .permutation(let order): order.count * MemoryLayout<Int>.stride
        }
    }

    /// As `PreparedProduct.rowsPerMember`.
    func rowsPerMember(batch: Int, members: Int) -> Int? {
        guard case .products(let matrix, _, _) = self, matrix.count == 1 else { return nil }
        return WorkSplit.rowsPerMember(rows: matrix.rows, batch: batch, members: members)
    }

    /// A member's share of the step.
    /// - Precondition: `canAccumulate` where it is to add.
    func apply(_ x: MatrixView, into y: MutableMatrixView, accumulating: Bool = false, worker: Worker) {
        switch self {
        case .products(let matrix, let inputs, let outputs):
            multiply(matrix, inputs, outputs, x, y, accumulating, worker)
        case .transposition(let rows, let columns, let cell):
            for row in worker.share(of: x.rows) {
                transposeCells(x.row(row), rows: rows, columns: columns, cell: cell, into: y.row(row))
            }
        case .repeated(let matrix, let copies):
            for row in worker.share(of: x.rows) {
                matrix.multiply(
                    0, rows: 0..<matrix.rows, MatrixView(base: x.row(row), rows: copies, columns: matrix.columns),
                    into: MutableMatrixView(base: y.row(row), rows: copies, columns: matrix.rows),
                    accumulating: accumulating)
            }
        case .interpolation(let matrix):
            let panels = worker.share(of: matrix.panelsPerMatrix)
            let rows =
                panels.lowerBound * PackedMatrix.panelRows
                ..< min(matrix.rows, panels.upperBound * PackedMatrix.panelRows)
            guard !rows.isEmpty else { return }
            for row in 0..<x.rows { (y.row(row) + rows.lowerBound).update(from: x.row(row) + rows.lowerBound, count: rows.count) }
            matrix.multiply(
                0, rows: rows, x.columns(matrix.rows..<matrix.rows + matrix.columns), into: y.columns(rows),
                accumulating: true)
        case .permutation(let order):
            for row in worker.share(of: x.rows) { order.gather(x.row(row), into: y.row(row)) }
        case .diagonals(let s): s.apply(x, into: y, blocks: worker.share(of: s.outputs))
        }
    }

    /// Cut by panels where that shares the work evenly, else by rows of the batch.
    private func multiply(
        _ matrix: PackedMatrix, _ inputs: [Int], _ outputs: [Int], _ x: MatrixView, _ y: MutableMatrixView,
        _ accumulating: Bool, _ worker: Worker
    ) {
        let perMatrix = matrix.panelsPerMatrix
        let panels = matrix.count * perMatrix
        let (share, batch) =
            switch WorkSplit(panels: panels, batch: x.rows, members: worker.count) {
            case .panels: (worker.share(of: panels), 0..<x.rows)
            case .batch: (0..<panels, worker.share(of: x.rows, grain: WorkSplit.batchGrain))
            }
        guard !batch.isEmpty else { return }
        var panel = share.lowerBound
        while panel < share.upperBound {
            let (index, first) = panel.quotientAndRemainder(dividingBy: perMatrix)
            let last = min(perMatrix, first + share.upperBound - panel)
            let rows = first * PackedMatrix.panelRows..<min(matrix.rows, last * PackedMatrix.panelRows)
            let output = outputs[index] + rows.lowerBound
            matrix.multiply(
                index, rows: rows,
                x.block(rows: batch, columns: inputs[index]..<inputs[index] + matrix.columns),
                into: y.block(rows: batch, columns: output..<output + rows.count), accumulating: accumulating)
            panel += last - first
        }
    }
}

/// rows x columns cells of `cell` numbers become columns x rows cells.
private func transposeCells(
    _ source: UnsafePointer<Float>, rows: Int, columns: Int, cell: Int, into target: UnsafeMutablePointer<Float>
) {
    if cell == 1 { return transpose(source, rows: rows, columns: columns, into: target) }
    for row in 0..<rows {
        for column in 0..<columns {
            (target + (column * rows + row) * cell).update(from: source + (row * columns + column) * cell, count: cell)
        }
    }
}
