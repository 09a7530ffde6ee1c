/// One thread of a team whose members all run the same code on their own share of it.
///
/// Every member must reach the same barriers in the same order. Shares are static: they depend on the member's number
/// alone, so a member meets the same weights again in its caches, and results never depend on timing.
public struct Worker: Sendable {
    /// 0..<count.
    public let index: Int
    public let count: Int
    let team: Team?

    /// The only member: barriers cost nothing.
    public static let alone = Worker(index: 0, count: 1, team: nil)

    /// Returns when every member of the team is here. What members wrote before is visible to all after.
    @inlinable public func barrier() {
        if count > 1 { wait() }
    }

    @usableFromInline func wait() { team?.wait() }

    /// This member's part of 0..<total: consecutive, cut at multiples of `grain`, as even as that allows.
    public func share(of total: Int, grain: Int = 1) -> Range<Int> {
        let grains = (total + grain - 1) / grain
        let first = grains * index / count * grain
        let last = grains * (index + 1) / count * grain
        return min(first, total)..<min(last, total)
    }
}

/// What the members of a team share. To be replaced by the pool's.
final class Team: Sendable {
    func wait() {}
}

extension ExecutionContext {
    /// Runs `body` once on every member of a team of `threads`; returns when all are done. Within a team or a parallel
    /// loop the caller runs alone.
    public func team(_ body: @Sendable (Worker) -> Void) { body(.alone) }
}
