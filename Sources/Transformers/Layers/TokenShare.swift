import Tensors

/// How the members of a team divide what is done token by token (normalisation, residual sums).
///
/// With fewer tokens than members every member does all of them, in memory of its own: that is quicker than waiting for
/// another's result, and nothing is written twice.
struct TokenShare {
    private let worker: Worker
    private let isRedundant: Bool
    let rows: Range<Int>

    init(tokens: Int, worker: Worker) {
        self.worker = worker
        isRedundant = tokens < worker.count
        rows = isRedundant ? 0..<tokens : worker.share(of: tokens)
    }

    /// Which of the `copies` a member works in.
    var copy: Int { isRedundant ? worker.index : 0 }

    /// Waits for the other members' rows, where they are needed.
    func barrier() {
        if !isRedundant { worker.barrier() }
    }

    /// Copies that teams of up to `members` may need.
    static func copies(tokens: Int, members: Int) -> Int { tokens < members ? members : 1 }
}

extension Worker {
    /// Calls `body` with this member's part of all elements of `view`, as pieces of rows.
    func forEachPiece(of view: MutableMatrixView, _ body: (_ row: Int, _ columns: Range<Int>) -> Void) {
        guard view.columns > 0 else { return }
        var share = share(of: view.rows * view.columns, grain: 16)
        while let first = share.first {
            let (row, column) = first.quotientAndRemainder(dividingBy: view.columns)
            let count = min(view.columns - column, share.count)
            body(row, column..<column + count)
            share = first + count..<share.upperBound
        }
    }
}
