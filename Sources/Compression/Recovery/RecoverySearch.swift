import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Tries the steps of a recovery in order and keeps what helps.
struct RecoverySearch {
    let walks: RecoveryWalks
    let distance: OutputDistance
    private(set) var state: RecoveredModel
    /// Of what the state came from, for the journal.
    private var key = "chosen"
    private(set) var notes: [String] = []
    private let report: (String) -> @Sendable (Int, Int) -> Void
    private var reached: Double?
    private var hasBiases = false

    /// Whether anything was kept.
    var isChanged: Bool { key != "chosen" }

    init(
        walks: RecoveryWalks, distance: OutputDistance, state: RecoveredModel,
        report: @escaping (String) -> @Sendable (Int, Int) -> Void
    ) {
        self.walks = walks
        self.distance = distance
        self.state = state
        self.report = report
    }

    /// - Parameters:
    ///   - room: bytes that may still be spent.
    ///   - entries: what was chosen, with the harm of errors.
    mutating func run(_ steps: [RecoveryStep], room: Int, sensitivities entries: [Plan.Entry]) throws {
        hasBiases = steps.contains(.bias)
        let biases = hasBiases
        for step in steps {
            switch step {
            case .sequential:
                try attempt(
                    step,
                    [1, 0.5, 0].map {
                        RecoveryTrial(name: "\($0) of the way to the dense outputs", matrices: .fitted(share: $0), biases: biases)
                    })
            case .bias:
                try attempt(step, [RecoveryTrial(name: "biases", matrices: .kept, biases: true)])
            case .refit:
                try attempt(step, [RecoveryTrial(name: "adjusted", matrices: .adjusted(share: 1), biases: biases)])
            case .norms:
                try attempt(step, [RecoveryTrial(name: "norms", matrices: .kept, biases: biases, norms: true)])
            case .eora: try correct(room: room, entries)
            }
        }
    }

    /// The best of the trials where it is better than what there is.
    private mutating func attempt(_ step: RecoveryStep, _ trials: [RecoveryTrial]) throws {
        let before = try reached ?? distance(state.model, context: walks.context)
        var best: (state: RecoveredModel, distance: Double, name: String)?
        // Side by side they share the dense model's run, and have moments of their own each.
        let atOnce = walks.isMemoryScarce ? 1 : trials.count
        for first in stride(from: 0, to: trials.count, by: atOnce) {
            let some = Array(trials[first..<min(trials.count, first + atOnce)])
            let part = atOnce < trials.count ? ", \(first + 1) of \(trials.count)" : ""
            let next = try walks.run(some, from: state, origin: key, progress: report("recovery: \(step.title)\(part)"))
            for (trial, next) in zip(some, next) {
                let measured = try distance(next.model, context: walks.context)
                if measured < best?.distance ?? .infinity { best = (next, measured, trial.name) }
            }
        }
        guard let best else { return }
        let helps = best.distance < before
        notes.append(
            "recovery by \(step.title): output distance \(before.shortened) becomes \(best.distance.shortened)"
                + (trials.count > 1 ? " (\(best.name))" : "") + " on held-out text, " + (helps ? "kept" : "not kept"))
        reached = helps ? best.distance : before
        guard helps else { return }
        state = best.state
        key += "/\(best.name)"
    }

    private mutating func correct(room: Int, _ entries: [Plan.Entry]) throws {
        let sensitivities = Dictionary(
            entries.map { ($0.name, $0.sensitivity) }, uniquingKeysWith: { first, _ in first })
        let smallest = entries.map { $0.shape.rows + $0.shape.columns }.min() ?? 0
        guard room >= smallest * walks.table.recipe.precision.elementType.byteCount, smallest > 0 else { return }
        let sites = try walks.corrections(
            of: state, room: room, sensitivities: sensitivities, progress: report("recovery: what corrections would save"))
        let ranks = LeftoverCorrections.ranks(sites, room: room)
        guard !ranks.isEmpty else { return }
        try attempt(.eora, [RecoveryTrial(name: "corrected", matrices: .corrected(ranks), biases: hasBiases)])
    }
}
