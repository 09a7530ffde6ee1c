/// What a residual stream costs by its widths, place by place: matrices that read or write it, and the skip matrices between
/// neighbouring places.
public struct StreamBudget: Sendable {
    /// Parameters for each feature of a place, skip matrices left out.
    public let attached: [Int]
    /// Features of the uncut stream.
    public let features: Int
    /// Widths are multiples of this.
    public let multiple: Int

    public init(attached: [Int], features: Int, multiple: Int) {
        self.attached = attached
        self.features = features
        self.multiple = multiple
    }

    /// Parameters at some widths: sum of a_p w_p, and of w_p w_(p + 1).
    public func parameters(_ widths: [Int]) -> Int {
        zip(attached, widths).reduce(0) { $0 + $1.0 * $1.1 } + zip(widths, widths.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 }
    }

    /// The same width everywhere, the largest of at most `limit` parameters.
    /// - Throws: `RewritingError.unreachable`.
    public func uniform(limit: Double) throws -> [Int] {
        func all(_ width: Int) -> [Int] { Array(repeating: width, count: attached.count) }
        var width = features / multiple * multiple
        while width >= multiple, Double(parameters(all(width))) > limit { width -= multiple }
        guard width >= multiple else { throw unreachable(limit, all(multiple)) }
        return all(width)
    }

    /// Widths that lose least: from the whole stream on, the place goes down by one step whose lowering costs least for each
    /// parameter it saves, until at most `limit` are left.
    /// - Parameter losses: for each place, what is lost at every width from 0 to all features; falls with the width.
    /// - Throws: `RewritingError.unreachable`.
    public func widths(limit: Double, losses: [[Double]]) throws -> [Int] {
        var widths = Array(repeating: features / multiple * multiple, count: attached.count)
        var left = parameters(widths)
        while Double(left) > limit {
            var best: (place: Int, price: Double, left: Int)?
            for place in widths.indices where widths[place] > multiple {
                var lower = widths
                lower[place] -= multiple
                let count = parameters(lower)
                let price = (losses[place][lower[place]] - losses[place][widths[place]]) / Double(left - count)
                if price < best?.price ?? .infinity { best = (place, price, count) }
            }
            guard let best else { throw unreachable(limit, widths) }
            widths[best.place] -= multiple
            left = best.left
        }
        return widths
    }

    private func unreachable(_ limit: Double, _ widths: [Int]) -> RewritingError {
        .unreachable(target: "a stream of \(Int(limit)) parameters", least: "\(parameters(widths))")
    }
}
