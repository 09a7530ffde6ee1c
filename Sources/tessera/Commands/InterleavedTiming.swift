import Foundation

/// Seconds of several contestants taking turns, so that a slow moment of the machine falls on all of them.
struct InterleavedTiming: Sendable {
    /// By contestant, then by round.
    let seconds: [[Double]]

    /// Rounds begin with another contestant each, after one round to warm up.
    /// - Parameter measure: runs a contestant once and returns its seconds.
    init(
        contestants: Int, rounds: Int, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in },
        _ measure: (Int) throws -> Double
    ) rethrows {
        var seconds = [[Double]](repeating: [], count: contestants)
        for contestant in 0..<contestants { _ = try measure(contestant) }
        for round in 0..<rounds {
            for turn in 0..<contestants {
                let contestant = (round + turn) % contestants
                seconds[contestant].append(try measure(contestant))
            }
            progress(round + 1, rounds)
        }
        self.seconds = seconds
    }

    /// Median and quartiles of something.
    struct Spread: Sendable {
        let lower: Double
        let median: Double
        let upper: Double

        /// With linear interpolation between neighbours; NaN for no values.
        init(_ values: [Double]) {
            let sorted = values.sorted()
            func quantile(_ share: Double) -> Double {
                guard let last = sorted.last else { return .nan }
                let place = share * Double(sorted.count - 1)
                let index = Int(place)
                guard index + 1 < sorted.count else { return last }
                return sorted[index] + (place - Double(index)) * (sorted[index + 1] - sorted[index])
            }
            (lower, median, upper) = (quantile(0.25), quantile(0.5), quantile(0.75))
        }
    }

    /// How many units of work a second a contestant does.
    func rate(_ contestant: Int, work: Double) -> Spread { Spread(seconds[contestant].map { work / $0 }) }

    /// How many times faster than the first a contestant is, round by round.
    func speedup(_ contestant: Int) -> Spread { Spread(zip(seconds[0], seconds[contestant]).map { $0 / $1 }) }

    enum Verdict: String, Sendable {
        case faster = "faster than the first"
        case slower = "slower than the first"
        case undecided = "no clear difference"
    }

    /// By the sign test on the rounds, two-sided, at 5 %: chance alone rarely lets one side win so many. Fewer than six
    /// rounds decide nothing.
    func verdict(_ contestant: Int) -> Verdict {
        let pairs = zip(seconds[0], seconds[contestant]).filter { $0 != $1 }
        let wins = pairs.count { $0 > $1 }
        // Tails of the binomial distribution with even odds.
        var coefficient = 1.0
        var tail = 0.0
        for k in 0...min(wins, pairs.count - wins) {
            tail += coefficient
            coefficient *= Double(pairs.count - k) / Double(k + 1)
        }
        // 2 tail / 2^n <= 0.05, in a form that does not overflow.
        guard tail.isFinite, log2(tail) + 1 - Double(pairs.count) <= log2(0.05) else { return .undecided }
        return wins * 2 > pairs.count ? .faster : .slower
    }
}
