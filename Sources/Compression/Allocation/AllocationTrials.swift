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

    /// Measures an answer, and keeps it if it is closer than all before it.
    mutating func consider(_ answer: AllocationAnswer, _ name: String, progress: LoopProgress) throws {
        if let other = seen[answer.choices] {
            notes.append("\(name): the same choice as \(other)")
            return
        }
        seen[answer.choices] = name
        _ = try problem.table.fits(problem.chosen(answer.choices).map(\.candidate), progress: progress)
        let measured = try problem.measure(answer.choices, as: "held-out", by: distance)
        notes.append("\(name): output distance \(measured.shortened) on held-out text")
        if measured < best?.distance ?? .infinity { best = Trial(name: name, answer: answer, distance: measured) }
    }
}
