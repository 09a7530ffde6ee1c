import CKernels

/// What a team shares: panels of W, where they can be dealt out evenly, else rows of X.
enum WorkSplit {
    case panels, batch

    /// Rows that the kernels take at a time.
    static let batchGrain = 6

    init(panels: Int, batch: Int, members: Int) {
        /// What share of the team is busy on average when this many equal pieces are dealt out.
        func evenness(_ pieces: Int) -> Double {
            pieces == 0 ? 0 : Double(pieces) / Double((pieces + members - 1) / members * members)
        }
        let byPanel = evenness(panels)
        let byBatch = evenness((batch + Self.batchGrain - 1) / Self.batchGrain)
        self = byPanel >= 0.9 || byPanel >= byBatch ? .panels : .batch
    }

    /// Outputs of each member where every one has as many, in order; nil otherwise.
    static func rowsPerMember(rows: Int, batch: Int, members: Int) -> Int? {
        let height = Int(TESSERA_PANEL_ROWS)
        guard rows % (height * members) == 0,
            WorkSplit(panels: rows / height, batch: batch, members: members) == .panels
        else { return nil }
        return rows / members
    }
}
