/// What one unit of a part saves when it goes: parameters, multiply-adds or nanoseconds, in the caller's unit.
public struct UnitGroup: Sendable {
    public enum Kind: String, Sendable {
        /// All of a key-value head: its queries, keys, values, and what reads them.
        case head
        /// Of a feed-forward part.
        case neuron
    }

    public let kind: Kind
    /// The block the part is in.
    public let block: Int
    public let scores: [Double]
    public let price: Double
    /// Units that have to stay, at least 1.
    public let least: Int
    /// Counts that are kept are multiples of this where the part allows it.
    public let multiple: Int

    public init(
        block: Int, kind: Kind = .neuron, scores: [Double], price: Double, least: Int = 1,
        multiple: Int = 1
    ) {
        precondition(price > 0 && multiple > 0 && least > 0 && least <= scores.count)
        self.block = block
        self.kind = kind
        self.scores = scores
        self.price = price
        self.least = least
        self.multiple = multiple
    }

    public var units: Int { scores.count }

    /// A count of units within what is allowed, near `wanted`.
    func rounded(_ wanted: Double) -> Int {
        let near = Int((wanted / Double(multiple)).rounded()) * multiple
        return min(units, max(least, near))
    }

    /// The best `count` units, ascending; ties go to the first.
    public func best(_ count: Int) -> [Int] {
        Array(scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(count)).sorted()
    }
}

/// How many units every part keeps when all together may keep a share of what they cost.
public protocol UnitAllocation: Sendable {
    /// Which units stay in each group, ascending.
    /// - Parameter share: of the price of all units, in (0, 1].
    /// - Throws: `RewritingError.invalidShare`, `.unreachable`.
    func kept(_ share: Double, of groups: [UnitGroup]) throws -> [[Int]]
}

extension UnitAllocation {
    /// - Throws: `RewritingError`.
    func check(_ share: Double, _ groups: [UnitGroup]) throws {
        guard share > 0, share <= 1 else { throw RewritingError.invalidShare("\(share)") }
        let whole = groups.reduce(0) { $0 + Double($1.units) * $1.price }
        let least = groups.reduce(0) { $0 + Double($1.least) * $1.price }
        guard least <= share * whole * (1 + 1e-9) else {
            throw RewritingError.unreachable(
                target: "\((1000 * share).rounded() / 10) %", least: "\((1000 * least / whole).rounded() / 10) %")
        }
    }
}

extension UnitAllocation {
    /// The best units by counts that were rounded: where whole heads make them cost more than the share, the fullest neuron
    /// groups give some more.
    /// - Parameter together: groups that are equally full give together, so that equal ones stay equal.
    func within(_ share: Double, of groups: [UnitGroup], counts: [Int], together: Bool = false) -> [[Int]] {
        var counts = counts
        let limit = share * groups.reduce(0) { $0 + Double($1.units) * $1.price } * (1 + 1e-9)
        var cost = zip(groups, counts).reduce(0) { $0 + Double($1.1) * $1.0.price }
        while cost > limit {
            let givers = groups.indices.filter { groups[$0].kind == .neuron && counts[$0] - groups[$0].multiple >= groups[$0].least }
            func fullness(_ index: Int) -> Double { Double(counts[index]) / Double(groups[index].units) }
            guard let fullest = givers.max(by: { (fullness($0), $1) < (fullness($1), $0) }) else { break }
            let most = fullness(fullest)
            for index in together ? givers.filter({ fullness($0) == most }) : [fullest] {
                counts[index] -= groups[index].multiple
                cost -= Double(groups[index].multiple) * groups[index].price
            }
        }
        return zip(groups, counts).map { $0.best($1) }
    }
}

/// The same share of every part: equal parts keep equal counts, which ordinary folders can say.
public struct UniformAllocation: UnitAllocation {
    public init() {}

    public func kept(_ share: Double, of groups: [UnitGroup]) throws -> [[Int]] {
        try check(share, groups)
        return within(share, of: groups, counts: groups.map { $0.rounded(share * Double($0.units)) }, together: true)
    }
}
