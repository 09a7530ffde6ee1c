import Communication
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
    /// What outputs are compared with: `model`, or what it was narrowed from.
    let original: any TransformerModel
    let isNarrowed: Bool
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
    var memory: WorkingMemory = .ample
    var communicator: any Communicator = LocalCommunicator()
    /// Whether the best allocation is bettered by measuring the model.
    var refines = true

    init(
        recipe: Recipe, model: any TransformerModel, original: (any TransformerModel)? = nil, calibration: [[Int]],
        heldOut: [[Int]], limits: [Int], latency: LatencyGoal? = nil, selected: [MatrixSite], context: ExecutionContext,
        progress: @escaping @Sendable (CompressionProgress) -> Void
    ) {
        self.recipe = recipe
        self.model = model
        self.original = original ?? model
        isNarrowed = original != nil
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
        /// What was chosen from, and what the model's outputs were measured by; nil where a plan was followed.
        let table: CandidateTable
        var outputs: OutputDistance?
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
        /// Of the model's output from the original's on held-out text; nil where a plan was followed.
        var distance: Double?
        /// How the model was narrowed before.
        var rewrite: Plan.Rewrite?
    }

    /// What choices are made of, whatever the budgets allow: compressors that differ in nothing else share it.
    struct Prepared: Sendable {
        /// With the quick candidates assessed.
        let table: CandidateTable
        let distance: OutputDistance
        let sensitivities: [Double]
        fileprivate let grid: [GridKey: [Candidate]]
    }

    /// Chooses a candidate for every selected matrix and fits it.
    /// - Throws: `CompressionError`, `FittingError`, `TransformersError`.
    public func run(journal: Journal) throws -> Result {
        try solve(prepare(journal: journal), journal: journal)
    }

    /// Calibrates, measures sensitivities and assesses quick candidates; the budgets' limits play no part.
    /// - Parameter other: what was prepared for the same model, calibration and journal with other families, if anything.
    /// - Throws: as `run`.
    func prepare(journal: Journal, sharing other: Prepared? = nil) throws -> Prepared {
        let sources = try recipe.sources(for: model)
        let prices = prices
        let table = try makeTable(journal, sharing: other?.table)
        let distance = try other?.distance ?? self.distance(from: original, journal)
        // Without text nothing can be measured, and matrices count alike.
        let sensitivities = heldOut.isEmpty ? selected.map { _ in 1 } : try Sensitivity.measure(
            table, model: model, distance: isNarrowed ? try self.distance(from: model, journal) : distance,
            journal: journal, context: context, progress: report("measuring sensitivity"))

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
        return Prepared(table: table, distance: distance, sensitivities: sensitivities, grid: grid)
    }

    private func distance(from model: any TransformerModel, _ journal: Journal) throws -> OutputDistance {
        try OutputDistance(
            original: model, sequences: heldOut, context: context, folder: memory.isScarce ? journal.folder : nil,
            mostThreads: memory.context(context).threads)
    }

    /// Chooses within the budgets and fits what was chosen.
    /// - Throws: as `run`.
    func solve(_ prepared: Prepared, journal: Journal) throws -> Result {
        let (table, sensitivities) = (prepared.table, prepared.sensitivities)
        var prices = prices
        let slow = try recipe.sources(for: model).filter { $0.isSlow }
        func attempt(_ prices: CandidatePrices) throws -> Result {
            // What an earlier attempt added must not show in this one.
            table.remove(families: slow.map(\.name))
            try addSlow(slow, prepared.grid, to: table, sensitivities, prices)
            var result = try choose(table, sensitivities, prepared.distance, prices)
            result.outputs = prepared.distance
            return result
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
        let fits = try table.fits(
            planned.map(\.choice.candidate), isFinal: true, progress: report("fitting the plan"))
        return try result(
            table, fits, choices: planned.map(\.choice), sensitivities: planned.map(\.sensitivity),
            notes: plan.notes)
    }

    fileprivate struct GridKey: Hashable {
        let family: String
        let site: String
    }

    func report(_ stage: String) -> @Sendable (Int, Int) -> Void {
        let progress = progress
        return { progress(CompressionProgress(stage: stage, done: $0, total: $1)) }
    }

    private func makeTable(_ journal: Journal, sharing other: CandidateTable? = nil) throws -> CandidateTable {
        CandidateTable(
            sites: selected, recipe: recipe, prices: prices, model: model, basis: try other?.basis ?? basis(journal),
            journal: journal, memory: memory, work: SharedWork(communicator: communicator, context: context))
    }

    private func basis(_ journal: Journal) throws -> CandidateTable.Basis {
        CandidateTable.Basis(
            grams: try grams(calibration, "calibrating", journal),
            heldOutGrams: try grams(heldOut, "calibrating on held-out text", journal),
            usage: TableUsage(
                sequences: calibration + heldOut, vocabulary: model.vocabularySize, positions: model.maximumPositions),
            fits: KeptFits(memory), factorisations: memory.isScarce ? nil : KeptFactorisations())
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
        if source.followsLowRank, let lowRank = assessed.last(where: {
            $0.candidate.family == LowRank.family.name && prices.price($0.candidate, $0.cost, of: site) <= target
        }), lowRank.relativeError > Self.hopelessRatio * chosen.relativeError {
            return []
        }
        func size(_ candidate: Candidate) -> Int {
            let cost = source.cost(of: candidate, shape: site.shape, precision: recipe.precision)
            return prices.price(candidate, cost, of: site)
        }
        // What may take the place of most of what was chosen needs sizes to choose among.
        let reach = source.followsLowRank ? 1 : 2
        var wanted: [Candidate] = []
        for group in Dictionary(grouping: grid, by: { $0["blocks"] }).sorted(by: { $0.key < $1.key }) {
            let sorted = group.value.sorted { size($0) < size($1) }
            wanted += sorted.filter { size($0) <= target }.suffix(reach) + sorted.filter { size($0) > target }.prefix(reach)
        }
        return wanted
    }

    func replaced(_ fits: [AnyFit]) -> any TransformerModel {
        var changed = model
        for (site, fit) in zip(selected, fits) { changed[site: site.name] = fit.matrix }
        return changed
    }

    func result(
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
            entries: entries, fits: fits, notes: notes, sites: selected, table: table,
            candidates: selected.map { table.candidates(of: $0) },
            spectra: try table.spectra(progress: report("spectra")), model: replaced(fits))
    }
}
