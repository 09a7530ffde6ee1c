import Tensors

/// The allocations tried so far, and which of them is closest to the original on held-out text.
struct AllocationTrials: Sendable {
    struct Trial: Sendable {
        let name: String
        let answer: AllocationAnswer
        let distance: Double
    }

    let problem: AllocationProblem
    /// On the held-out text.
    let distance: OutputDistance
    private(set) var best: Trial?
    var notes: [String] = []
    private var seen: [[Int]: String] = [:]

    init(problem: AllocationProblem, distance: OutputDistance) {
        self.problem = problem
        self.distance = distance
    }

    /// Answers of one refinement that are measured at most: they come closer on the sample, but not always elsewhere.
    static let mostSteps = 6

    /// Measures the answers of a strategy, evenly spread ones where they are many, and keeps one that is closer than all
    /// before it.
    mutating func consider(_ answers: [AllocationAnswer], _ name: String, progress: LoopProgress) throws {
        let count = min(answers.count, Self.mostSteps)
        let chosen = (0..<count).map { answers[($0 + 1) * answers.count / count - 1] }
        guard !chosen.isEmpty else {
            notes.append("\(name): nothing closer")
            return
        }
        var least: Double?
        for answer in chosen {
            if let other = seen[answer.choices] {
                if count == 1 { notes.append("\(name): the same choice as \(other)") }
                continue
            }
            seen[answer.choices] = name
            _ = try problem.table.fits(problem.chosen(answer.choices).map(\.candidate), progress: progress)
            let measured = try problem.measure(answer.choices, as: "held-out", by: distance)
            least = min(least ?? .infinity, measured)
            if measured < best?.distance ?? .infinity { best = Trial(name: name, answer: answer, distance: measured) }
        }
        if let least { notes.append("\(name): output distance \(least.shortened) on held-out text") }
    }
}
