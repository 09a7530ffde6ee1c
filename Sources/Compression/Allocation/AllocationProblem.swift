import Fitting
import StructuredMatrices
import Synchronization
import Tensors
import Transformers

/// What strategies see of a compression: the matrices, their assessed candidates, the budgets, and the means to measure a
/// choice in the model.
struct AllocationProblem: Sendable {
    let table: CandidateTable
    let prices: CandidatePrices
    let model: any TransformerModel
    /// Of each matrix, as `Sensitivity` measured it.
    let sensitivities: [Double]
    /// Token sequences that fits are made from; what strategies measure is measured on a sample of them.
    let calibration: [[Int]]
    /// The output distance on that sample, and that of `model`: 0 but where it was narrowed.
    let sampled: OutputDistance
    /// On a part of the sample, for what is far from the best; nil where the sample is of few sequences.
    let glimpsed: OutputDistance?
    let unchanged: Double
    let context: ExecutionContext
    let seed: UInt64
    /// The candidates that may be chosen, in the table's order: those that no other beats in costs and error both.
    let candidates: [[AssessedCandidate]]

    /// One of so many sequences of the sample makes up that part.
    static let sequencesPerGlimpse = 4

    var sites: [MatrixSite] { table.sites }
    var limits: [AllocationLimit] { prices.allocationLimits }
    var journal: Journal { table.journal }
    var relativeErrors: [[Double]] { candidates.map { $0.map(\.relativeError) } }

    init(
        table: CandidateTable, prices: CandidatePrices, model: any TransformerModel, sensitivities: [Double],
        calibration: [[Int]], sampled: OutputDistance, unchanged: Double, context: ExecutionContext, seed: UInt64
    ) {
        self.table = table
        self.prices = prices
        self.model = model
        self.sensitivities = sensitivities
        self.calibration = calibration
        self.sampled = sampled
        glimpsed = sampled.oneOf(every: Self.sequencesPerGlimpse)
        self.unchanged = unchanged
        self.context = context
        self.seed = seed
        candidates = table.sites.map { site in
            let all = table.candidates(of: site)
            let choices = all.map { prices.choice($0.candidate, $0.cost, of: site, damage: $0.relativeError) }
            return AllocationChoice.undominated(choices).map { all[$0] }
        }
    }

    /// For each matrix, weight x relative error of each candidate.
    func damages(weights: [Double]) -> [[Double]] {
        zip(candidates, weights).map { all, weight in all.map { weight * $0.relativeError } }
    }

    /// The allocator's table.
    func choices(_ damages: [[Double]]) -> [[AllocationChoice]] {
        sites.indices.map { site in
            zip(candidates[site], damages[site]).map {
                prices.choice($0.candidate, $0.cost, of: sites[site], damage: $1)
            }
        }
    }

    /// The least total damage within the budgets.
    /// - Throws: `CompressionError.budgetTooSmall`, `.budgetsTooSmallTogether`.
    func solve(_ damages: [[Double]]) throws -> AllocationAnswer {
        let allocation = try prices.allocate(choices(damages))
        return AllocationAnswer(
            choices: allocation.choices, damages: damages,
            gap: allocation.lowerBound > 0 ? max(0, allocation.damage / allocation.lowerBound - 1) : 0)
    }

    /// The chosen candidates.
    func chosen(_ choices: [Int]) -> [AssessedCandidate] { zip(candidates, choices).map { $0[$1] } }

    /// The model with the chosen candidates' fits in place.
    func stitched(_ choices: [Int], progress: LoopProgress = { _, _ in }) throws -> any TransformerModel {
        var changed = model
        let fits = try table.fits(chosen(choices).map(\.candidate), progress: progress)
        for (site, fit) in zip(sites, fits) { changed[site: site.name] = fit.matrix }
        return changed
    }

    /// The output distance of a choice on the sample and what that does not show, remembered by the journal; infinite where it
    /// is not a number.
    func measure(_ choices: [Int]) throws -> Double {
        try measure(choices, as: "sample", by: sampled)
    }

    /// The same on the part of the sample; nil where there is none.
    func glimpse(_ choices: [Int]) throws -> Double? {
        try glimpsed.map { try distance(choices, as: "glimpse", by: $0) + unseen(choices, in: "sample", by: sampled) }
    }

    /// The same by another distance, which the journal knows by the name of its text.
    func measure(_ choices: [Int], as text: String, by distance: OutputDistance) throws -> Double {
        try self.distance(choices, as: text, by: distance) + unseen(choices, in: text, by: distance)
    }

    /// The output distance alone.
    private func distance(_ choices: [Int], as text: String, by distance: OutputDistance) throws -> Double {
        let key = "trial/\(text)/\(fingerprint(choices))"
        if let known = journal[key]?.doubleValue { return known }
        let measured = try distance(stitched(choices), context: context)
        guard measured.isFinite else { return .infinity }
        try journal.record(key, .number(measured))
        return measured
    }

    /// What a choice is, whatever else the table holds.
    func fingerprint(_ choices: [Int]) -> String {
        var fingerprint = Fingerprint()
        for (site, candidate) in zip(sites, chosen(choices)) {
            fingerprint.add(site.name)
            fingerprint.add(candidate.candidate.label)
        }
        return fingerprint.text
    }

    /// A number that a strategy measured of a matrix, remembered by the journal.
    func remembered(_ what: String, _ site: MatrixSite, _ measure: () throws -> Double) throws -> Double {
        let key = "\(what)/\(site.name)"
        if let known = journal[key]?.doubleValue { return known }
        let measured = try measure()
        guard measured.isFinite else { throw CompressionError.notFinite(matrix: site.name, what: "its \(what)") }
        try journal.record(key, .number(measured))
        return measured
    }

    /// The output distance on the sample with one matrix of the model replaced, less that of the model itself.
    func distance(replacing site: MatrixSite, by matrix: any StructuredMatrix) throws -> Double {
        var changed = model
        changed[site: site.name] = matrix
        return try sampled(changed, context: context) - unchanged
    }
}
