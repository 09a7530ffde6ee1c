import CKernels

/// One thread of a team whose members all run the same code on their own share of it.
///
/// Every member must reach the same barriers in the same order. Shares are static: they depend on the member's number
/// alone, so a member meets the same weights again in its caches, and results never depend on timing.
public struct Worker: @unchecked Sendable {
    /// 0..<count.
    public let index: Int
    public let count: Int
    /// What the members share; alive while any of them runs.
    private let team: OpaquePointer?

    init(index: Int, count: Int, team: OpaquePointer?) {
        self.index = index
        self.count = count
        self.team = team
    }

    /// The only member: barriers cost nothing.
    public static let alone = Worker(index: 0, count: 1, team: nil)

    /// Returns when every member of the team is here. What members wrote before is visible to all after.
    @inlinable public func barrier() {
        if count > 1 { wait() }
    }

    @usableFromInline func wait() {
        if let team { tessera_team_wait(team) }
    }

    /// This member's part of 0..<total: consecutive, cut at multiples of `grain`, as even as that allows.
    public func share(of total: Int, grain: Int = 1) -> Range<Int> {
        let grains = (total + grain - 1) / grain
        let first = grains * index / count * grain
        let last = grains * (index + 1) / count * grain
        return min(first, total)..<min(last, total)
    }
}

extension ExecutionContext {
    /// Runs `body` once on every member of a team of up to `threads`; returns when all are done. Within a team or a
    /// parallel loop the caller runs alone, and so it does while another thread's team is running.
    /// Cost beyond the body: about half a microsecond when teams follow each other closely.
    public func team(_ body: @Sendable (Worker) -> Void) {
        WorkerPool.shared.run(members: threads, body)
    }
}
