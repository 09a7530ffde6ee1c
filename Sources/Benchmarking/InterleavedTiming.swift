import Foundation

/// Seconds of several contestants taking turns, so that a slow moment of the machine falls on all of them.
package struct InterleavedTiming: Sendable {
    /// By contestant, then by round.
    package let seconds: [[Double]]

    /// How many rounds count: `least`, then more until every contestant has had `seconds` on average or
    /// `most` is reached.
    package struct Rounds: Sendable {
        package var least: Int
        package var most: Int
        package var seconds: Double

        package init(least: Int, most: Int, seconds: Double) {
            (self.least, self.most, self.seconds) = (least, most, seconds)
        }

        package static func exactly(_ count: Int) -> Rounds { Rounds(least: count, most: count, seconds: 0) }
    }

    /// Rounds begin with another contestant each, after one round to warm up.
    /// - Parameters:
    ///   - progress: told after every round how many are done and how many there will be at most.
    ///   - measure: runs a contestant once and returns its seconds.
    package init(
        contestants: Int, rounds: Rounds, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in },
        _ measure: (Int) throws -> Double
    ) rethrows {
        var seconds = [[Double]](repeating: [], count: contestants)
        for contestant in 0..<contestants { _ = try measure(contestant) }
        var round = 0
        var spent = 0.0
        while round < rounds.least || (round < rounds.most && spent < rounds.seconds * Double(contestants)) {
            for turn in 0..<contestants {
                let contestant = (round + turn) % contestants
                let time = try measure(contestant)
                seconds[contestant].append(time)
                spent += time
            }
            round += 1
            progress(round, rounds.most)
        }
        self.seconds = seconds
    }

    /// Median, quartiles and minimum of something.
    package struct Spread: Sendable {
        package let lower: Double
        package let median: Double
        package let upper: Double
        /// What it takes undisturbed, on a machine that is busy with other things.
        package let least: Double

        /// With linear interpolation between neighbours; NaN for no values.
        package init(_ values: [Double]) {
            let sorted = values.sorted()
            func quantile(_ share: Double) -> Double {
                guard let last = sorted.last else { return .nan }
                let place = share * Double(sorted.count - 1)
                let index = Int(place)
                guard index + 1 < sorted.count else { return last }
                return sorted[index] + (place - Double(index)) * (sorted[index + 1] - sorted[index])
            }
            (lower, median, upper) = (quantile(0.25), quantile(0.5), quantile(0.75))
            least = sorted.first ?? .nan
        }
    }

    /// Seconds of one run of a contestant.
    package func time(_ contestant: Int) -> Spread { Spread(seconds[contestant]) }

    /// How many units of work a second a contestant does.
    package func rate(_ contestant: Int, work: Double) -> Spread {
        Spread(seconds[contestant].map { work / $0 })
    }

    /// How many times faster than another (the first where none is named) a contestant is, round by round.
    package func speedup(_ contestant: Int, over other: Int = 0) -> Spread {
        Spread(zip(seconds[other], seconds[contestant]).map { $0 / $1 })
    }

    package enum Verdict: String, Sendable {
        case faster = "faster than the first"
        case slower = "slower than the first"
        case undecided = "no clear difference"
    }

    /// By the sign test on the rounds, two-sided, at 5 %: chance alone rarely lets one side win so many.
    /// Fewer than six rounds decide nothing.
    package func verdict(_ contestant: Int, over other: Int = 0) -> Verdict {
        let pairs = zip(seconds[other], seconds[contestant]).filter { $0 != $1 }
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

extension Duration {
    package var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
