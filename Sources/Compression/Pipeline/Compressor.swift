import Fitting
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// Where a long compression stands.
public struct CompressionProgress: Sendable {
    /// "calibrating", "measuring sensitivity", "fitting low-rank" ...
    public let stage: String
    public let done: Int
    public let total: Int

    public init(stage: String, done: Int, total: Int) {
        self.stage = stage
        self.done = done
        self.total = total
    }
}

/// The pipeline from a model and a recipe to a plan and fitted matrices:
/// calibrate, measure sensitivities, assess quick candidates (on text that they were not fitted to), allocate, assess slow
/// candidates near the sizes chosen, allocate again, and keep the best of several allocations by the model's measured
/// output. With a latency as budget, time the model that came out, and choose again where it was predicted badly.
public struct Compressor: Sendable {
    public let recipe: Recipe
    public let model: any TransformerModel
    /// Token sequences the moments are accumulated over.
    public let calibration: [[Int]]
    /// Token sequences that sensitivities and quality are measured on.
    public let heldOut: [[Int]]
    /// What the budgets allow, in their order: bytes or multiply-adds over the selected matrices.
    let limits: [Int]
    /// Where latency is a budget.
    let latency: LatencyGoal?
    public let selected: [MatrixSite]
    public let context: ExecutionContext
    public let progress: @Sendable (CompressionProgress) -> Void

    init(
        recipe: Recipe, model: any TransformerModel, calibration: [[Int]], heldOut: [[Int]], limits: [Int],
        latency: LatencyGoal? = nil, selected: [MatrixSite], context: ExecutionContext,
        progress: @escaping @Sendable (CompressionProgress) -> Void
    ) {
        self.recipe = recipe
        self.model = model
        self.calibration = calibration
        self.heldOut = heldOut
        self.limits = limits
        self.latency = latency
        self.selected = selected
        self.context = context
        self.progress = progress
    }

    /// What the pipeline found, before anything is written.
    public struct Result: Sendable {
        public internal(set) var entries: [Plan.Entry]
        public internal(set) var fits: [AnyFit]
        public internal(set) var notes: [String]
        let sites: [MatrixSite]
        /// All assessed candidates of each selected matrix.
        public let candidates: [[AssessedCandidate]]
        /// Singular values of each selected matrix under its objective, relative to the largest.
        public let spectra: [[Double]]
        /// The model with the fitted matrices in place.
        public internal(set) var model: any TransformerModel
        /// Biases and norms that recovery changed, by the checkpoint's name of the tensor.
        public internal(set) var vectors: [String: [Float]] = [:]
        /// Where latency is a budget.
        var latency: LatencyOutcome?
    }

    /// Chooses a candidate for every selected matrix and fits it.
    /// - Throws: `CompressionError`, `FittingError`, `TransformersError`.
    public func run(journal: Journal) throws -> Result {
        let sources = try recipe.sources()
        var prices = prices
        let table = try makeTable(journal)
        let distance = try OutputDistance(original: model, sequences: heldOut, context: context)
        let sensitivities = try Sensitivity.measure(
            table, model: model, distance: distance, journal: journal, context: context,
            progress: report("measuring sensitivity"))

        var grid: [GridKey: [Candidate]] = [:]
        for source in sources {
            for site in selected {
                let all = source.candidates(for: site, quantity: recipe.budget.quantity, precision: recipe.precision)
                grid[GridKey(family: source.name, site: site.name)] = all.filter { prices.allows($0, of: site) }
            }
        }
        let quick = sources.filter { !$0.isSlow }
        try table.assess(
            quick.flatMap { source in
                selected.map { ($0, source, grid[GridKey(family: source.name, site: $0.name)] ?? []) }
            }, progress: report("fitting quick families"))
        let slow = sources.filter { $0.isSlow }
        func attempt(_ prices: CandidatePrices) throws -> Result {
            // What an earlier attempt added must not show in this one.
            table.remove(families: slow.map(\.name))
            try addSlow(slow, grid, to: table, sensitivities, prices)
            return try choose(table, sensitivities, distance, prices)
        }
        guard let latency else { return try attempt(prices) }
        return try latency.settle(&prices, journal: journal, progress: report("timing the compressed model")) {
            try attempt($0)
        }
    }

    /// What candidates cost, by the latencies as they were predicted at first.
    private var prices: CandidatePrices {
        CandidatePrices(
            budgets: recipe.budgets, limits: limits, selected: selected, latency: latency?.prediction)
    }

    /// Assesses slow families near the sizes that a choice without them gives.
    private func addSlow(
        _ slow: [any CandidateSource], _ grid: [GridKey: [Candidate]], to table: CandidateTable,
        _ sensitivities: [Double], _ prices: CandidatePrices
    ) throws {
        guard !slow.isEmpty else { return }
        let names = slow.map(\.name).joined(separator: ", ")
        // The second round catches matrices whose size moved once the slow families were in the table.
        for round in 1...2 {
            let allocation = try allocate(table, sensitivities, prices)
            let wanted = slow.flatMap { source in
                selected.indices.map { index in
                    let site = selected[index]
                    let near = nearest(
                        grid[GridKey(family: source.name, site: site.name)] ?? [], source,
                        to: allocation.choices[index], of: table.candidates(of: site), site, prices)
                    return (site, source, near)
                }
            }
            try table.assess(wanted, progress: report("fitting \(names), round \(round)"))
        }
    }

    /// Fits exactly what a plan says.
    /// - Throws: as `run`.
    public func run(plan: Plan, journal: Journal) throws -> Result {
        let table = try makeTable(journal)
        let byName = Dictionary(plan.entries.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let planned = selected.compactMap { byName[$0.name] }
        let fits = try table.fits(planned.map(\.choice.candidate), progress: report("fitting the plan"))
        return try result(
            table, fits, choices: planned.map(\.choice), sensitivities: planned.map(\.sensitivity),
            notes: plan.notes)
    }

    private struct GridKey: Hashable {
        let family: String
        let site: String
    }

    func report(_ stage: String) -> @Sendable (Int, Int) -> Void {
        let progress = progress
        return { progress(CompressionProgress(stage: stage, done: $0, total: $1)) }
    }

    func makeTable(_ journal: Journal) throws -> CandidateTable {
        func grams(_ sequences: [[Int]], _ stage: String) throws -> [String: Gram] {
            guard recipe.objective == .activations else { return [:] }
            let moments: Calibration
            if let stored = try journal.calibration(stage) {
                moments = stored
            } else {
                moments = try Calibration.collect(
                    model, sites: selected.filter { $0.role == .linear }, sequences: sequences, context: context,
                    progress: report(stage))
                try journal.store(moments, stage)
            }
            return try moments.moments.mapValues { try Gram($0) }
        }
        return CandidateTable(
            sites: selected, recipe: recipe, prices: prices, model: model,
            grams: try grams(calibration, "calibrating"),
            heldOutGrams: try grams(heldOut, "calibrating on held-out text"), journal: journal, context: context)
    }

    private func allocate(
        _ table: CandidateTable, _ weights: [Double], _ prices: CandidatePrices
    ) throws -> Allocation {
        try prices.allocate(
            zip(selected, weights).map { site, weight in
                table.candidates(of: site).map {
                    prices.choice($0.candidate, $0.cost, of: site, damage: weight * $0.relativeError)
                }
            })
    }

    /// How many times the chosen candidate's error low-rank may have at that size for the slow families to be tried:
    /// they halve low-rank's error at best, so beyond this they cannot be chosen and hours would be wasted on them.
    private static let hopelessRatio = 2.5

    /// The candidates of a slow source whose size is next to the chosen one, below and above.
    private func nearest(
        _ grid: [Candidate], _ source: any CandidateSource, to choice: Int, of assessed: [AssessedCandidate],
        _ site: MatrixSite, _ prices: CandidatePrices
    ) -> [Candidate] {
        let chosen = assessed[choice]
        // A matrix kept dense has no use for a structured form of nearly its size.
        guard chosen.candidate.family != Dense.family.name else { return [] }
        let target = prices.price(chosen.candidate, chosen.cost, of: site)
        if let lowRank = assessed.last(where: {
            $0.candidate.family == LowRank.family.name && prices.price($0.candidate, $0.cost, of: site) <= target
        }), lowRank.relativeError > Self.hopelessRatio * chosen.relativeError {
            return []
        }
        func size(_ candidate: Candidate) -> Int {
            let cost = source.cost(of: candidate, shape: site.shape, precision: recipe.precision)
            return prices.price(candidate, cost, of: site)
        }
        var wanted: [Candidate] = []
        for group in Dictionary(grouping: grid, by: { $0["blocks"] }).sorted(by: { $0.key < $1.key }) {
            let sorted = group.value.sorted { size($0) < size($1) }
            if let below = sorted.last(where: { size($0) <= target }) { wanted.append(below) }
            if let above = sorted.first(where: { size($0) > target }) { wanted.append(above) }
        }
        return wanted
    }

    /// Several ways to weigh the matrices against each other give several allocations; the one whose model is closest
    /// to the original on the held-out sequences is kept.
    private func choose(
        _ table: CandidateTable, _ sensitivities: [Double], _ distance: OutputDistance, _ prices: CandidatePrices
    ) throws -> Result {
        struct Trial {
            let name: String
            let choices: [AssessedCandidate]
            let fits: [AnyFit]
            let distance: Double
            let gap: Double
        }
        var best: Trial?
        var notes: [String] = []
        var seen: Set<[Int]> = []
        let weighings: [(name: String, exponent: Double)] = [
            ("measured sensitivity", 1), ("square root of measured sensitivity", 0.5), ("equal weights", 0),
        ]
        for (name, exponent) in weighings {
            // Weights keep their geometric mean, so that zero sensitivities stay zero and others only draw together.
            let weights = sensitivities.map { exponent == 0 ? 1 : ($0 <= 0 ? 0 : $0.raised(to: exponent)) }
            let allocation = try allocate(table, weights, prices)
            guard seen.insert(allocation.choices).inserted else { continue }
            let choices = zip(selected, allocation.choices).map { table.candidates(of: $0)[$1] }
            let fits = try table.fits(choices.map(\.candidate), progress: report("fitting: \(name)"))
            let measured = try distance(replaced(fits), context: context)
            let gap = allocation.lowerBound > 0 ? allocation.damage / allocation.lowerBound - 1 : 0
            notes.append("\(name): output distance \(measured.shortened) on held-out text")
            if measured < best?.distance ?? .infinity {
                best = Trial(name: name, choices: choices, fits: fits, distance: measured, gap: gap)
            }
        }
        guard let best else {
            throw CompressionError.notFinite(matrix: "the compressed model", what: "every allocation's output")
        }
        notes.append("kept: \(best.name), at most \((100 * best.gap).shortened) % above the optimum of its table")
        return try result(table, best.fits, choices: best.choices, sensitivities: sensitivities, notes: notes)
    }

    private func replaced(_ fits: [AnyFit]) -> any TransformerModel {
        var changed = model
        for (site, fit) in zip(selected, fits) { changed[site: site.name] = fit.matrix }
        return changed
    }

    private func result(
        _ table: CandidateTable, _ fits: [AnyFit], choices: [AssessedCandidate], sensitivities: [Double], notes: [String]
    ) throws -> Result {
        var entries: [Plan.Entry] = []
        for index in selected.indices {
            entries.append(
                Plan.Entry(
                    name: selected[index].name, shape: selected[index].shape,
                    choice: AssessedCandidate(
                        candidate: choices[index].candidate, cost: fits[index].matrix.cost,
                        relativeError: fits[index].relativeError),
                    sensitivity: sensitivities[index]))
        }
        return Result(
            entries: entries, fits: fits, notes: notes, sites: selected,
            candidates: selected.map { table.candidates(of: $0) },
            spectra: try table.spectra(progress: report("spectra")), model: replaced(fits))
    }
}
