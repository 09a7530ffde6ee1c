import Communication
import Fitting
import Foundation
import LinearAlgebra
import ModelFiles
import StructuredMatrices
import Synchronization
import Tensors
import Transformers

/// All candidates assessed so far for every selected matrix, filled on demand and recorded in the journal.
final class CandidateTable: Sendable {
    let sites: [MatrixSite]
    let recipe: Recipe
    private let prices: CandidatePrices
    private let model: any TransformerModel
    let basis: Basis
    let journal: Journal
    private let memory: WorkingMemory
    private let work: SharedWork
    private var context: ExecutionContext { work.context }
    /// Whose work a site is, by its name: what ranks are dealt, larger sites first.
    private let owners: [String: Int]
    private let assessed: Mutex<[String: [AssessedCandidate]]>

    /// What candidates are fitted and judged by, and what of the work is kept: the same for tables of one model that differ
    /// in their families and budgets.
    struct Basis: Sendable {
        /// Nil where the objective does not weigh.
        let grams: GramStore?
        /// Of the held-out sequences.
        let heldOutGrams: GramStore?
        let usage: TableUsage
        let fits: KeptFits
        /// Nil where memory is scarce.
        let factorisations: KeptFactorisations?
    }

    init(
        sites: [MatrixSite], recipe: Recipe, prices: CandidatePrices, model: any TransformerModel, basis: Basis,
        journal: Journal, memory: WorkingMemory, work: SharedWork
    ) {
        self.sites = sites
        self.recipe = recipe
        self.prices = prices
        self.model = model
        self.basis = basis
        self.journal = journal
        self.memory = memory
        self.work = work
        let order = sites.sorted { ($0.shape.count, $1.name) > ($1.shape.count, $0.name) }
        owners = Dictionary(
            order.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        assessed = Mutex([:])
    }

    /// The candidates of a site in order of the budget's quantity.
    func candidates(of site: MatrixSite) -> [AssessedCandidate] {
        assessed.withLock { $0[site.name] ?? [] }
    }

    /// Forgets the candidates of some families; the journal remembers.
    func remove(families: [String]) {
        assessed.withLock { table in
            for site in sites { table[site.name]?.removeAll { families.contains($0.candidate.family) } }
        }
    }

    /// Assesses the given candidates of every site that are not in the table yet, in parallel over (site, source).
    func assess(
        _ wanted: [(site: MatrixSite, source: any CandidateSource, candidates: [Candidate])],
        progress: LoopProgress
    ) throws {
        // Some sources share a decomposition between the sizes of one matrix; of the others each size is a task.
        var tasks: [(site: MatrixSite, source: any CandidateSource, candidates: [Candidate])] = []
        for (site, source, candidates) in wanted {
            let known = Set(self.candidates(of: site).map(\.candidate))
            let missing = candidates.filter { !known.contains($0) }
            if !source.sharesWork { tasks += missing.map { (site, source, [$0]) } } else if !missing.isEmpty {
                tasks.append((site, source, missing))
            }
        }
        // Largest first, so that the threads end together.
        tasks.sort { $0.site.shape.count > $1.site.shape.count }
        let ordered = tasks
        let results = try work.map(
            ordered.count, owner: { owners[ordered[$0].site.name] ?? 0 },
            isKnown: { index in ordered[index].candidates.allSatisfy { journal[key(ordered[index].site, $0)] != nil } },
            progress: progress
        ) { index in
            let task = ordered[index]
            return try self.memory.gate.withBytes(self.workingBytes(task.site, task.source)) {
                try self.assessOne(task.site, task.source, task.candidates)
            }
        } encode: { _, found in
            try JSONValue.array(found.map(\.json)).serialized()
        } decode: { index, bytes in
            let task = ordered[index]
            let found = try JSONValue.parse(bytes).arrayValue ?? []
            return try zip(task.candidates, found).compactMap { candidate, json in
                try journal.record(key(task.site, candidate), json)
                return AssessedCandidate(candidate, json: json)
            }
        }
        assessed.withLock { table in
            for (task, found) in zip(ordered, results) { table[task.site.name, default: []] += found }
            for site in sites {
                // One order whatever order the work was done in.
                let found = (table[site.name] ?? []).map { entry in
                    (entry: entry, order: (prices.price(entry.candidate, entry.cost, of: site), entry.candidate.label))
                }
                table[site.name] = found.sorted { $0.order < $1.order }.map { $0.entry }
            }
        }
    }

    private func assessOne(
        _ site: MatrixSite, _ source: any CandidateSource, _ candidates: [Candidate]
    ) throws -> [AssessedCandidate] {
        var found = candidates.map { AssessedCandidate($0, json: journal[key(site, $0)]) }
        let missing = candidates.indices.filter { found[$0] == nil }
        guard !missing.isEmpty else { return found.compactMap { $0 } }
        let place = try candidateContext(site)
        if source.isSlow {
            for index in missing {
                let fit = try place.assessed(source.fit(candidates[index], place))
                try journal.store(fit.matrix, key: key(site, candidates[index]))
                found[index] = AssessedCandidate(fit, as: candidates[index])
            }
        } else {
            let assessed = try source.assess(missing.map { candidates[$0] }, place) { candidate, fit in
                basis.fits.keep(assessed: fit, key(site, candidate), of: site)
            }
            for (index, result) in zip(missing, assessed) { found[index] = result }
        }
        for index in missing {
            guard let result = found[index] else { continue }
            guard result.relativeError.isFinite else {
                throw CompressionError.notFinite(
                    matrix: site.name, what: "'\(candidates[index].label)' in \(recipe.precision.rawValue)")
            }
            try journal.record(key(site, candidates[index]), result.json)
        }
        return found.compactMap { $0 }
    }

    /// The fitted matrices of a choice for every site, in order: from the journal where a slow fit left them there.
    /// - Parameter isFinal: as they will be kept; else as choices are compared.
    func fits(
        _ choices: [Candidate], isFinal: Bool = false, progress: LoopProgress = { _, _ in }
    ) throws -> [AnyFit] {
        let sources = try choices.map { try CandidateSources.source($0.family) }
        let polishes = sources.map { isFinal && $0.polishes }
        if let index = dominant(choices, polishes) {
            // Kept, so that the loop below finds it.
            _ = try fit(sites[index], choices[index], sources[index], isPolished: polishes[index], execution: context)
        }
        return try work.map(
            sites.count, owner: { owners[sites[$0].name] ?? 0 },
            isKnown: { journal.holds(key(sites[$0], choices[$0], isPolished: polishes[$0])) }, progress: progress
        ) { index in
            try self.fit(self.sites[index], choices[index], sources[index], isPolished: polishes[index])
        } encode: { index, fit in
            let key = key(sites[index], choices[index], isPolished: polishes[index])
            if !journal.holds(key) { try journal.store(fit.matrix, key: key) }
            return withUnsafeBytes(of: fit.relativeError.bitPattern.littleEndian) { Array($0) } + (try journal.stored(key) ?? [])
        } decode: { index, bytes in
            let (site, key) = (sites[index], key(sites[index], choices[index], isPolished: polishes[index]))
            if let known = basis.fits.fit(key, of: site) { return known }
            try journal.adopt(Array(bytes.dropFirst(8)), key: key)
            let error = bytes.withUnsafeBytes { Double(bitPattern: UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))) }
            guard let matrix = try journal.matrix(key: key, shape: site.shape, isStreamed: memory.isScarce) else {
                throw CompressionError.journalUnreadable(file: journal.folder.path, reason: "'\(key)' is gone")
            }
            let fit = AnyFit(matrix: matrix, relativeError: error, trace: [])
            basis.fits.keep(fit, key)
            return fit
        }
    }

    /// The site that is most of what is still to be fitted: all threads fit it together, because one would keep the others
    /// waiting. Nil where there is none, and where ranks share the work.
    private func dominant(_ choices: [Candidate], _ polishes: [Bool]) -> Int? {
        guard work.communicator.isAlone, context.threads > 1 else { return nil }
        let missing = sites.indices.filter {
            basis.fits.fit(key(sites[$0], choices[$0], isPolished: polishes[$0]), of: sites[$0]) == nil
        }
        let numbers = missing.reduce(0) { $0 + sites[$1].shape.count }
        return missing.first { 2 * sites[$0].shape.count > numbers }
    }

    func fit(_ site: MatrixSite, _ candidate: Candidate) throws -> AnyFit {
        try fit(site, candidate, CandidateSources.source(candidate.family), isPolished: false, execution: context)
    }

    private func fit(
        _ site: MatrixSite, _ candidate: Candidate, _ source: any CandidateSource, isPolished: Bool,
        execution: ExecutionContext = .serial
    ) throws -> AnyFit {
        let key = key(site, candidate, isPolished: isPolished)
        if let known = basis.fits.fit(key, of: site) { return known }
        let fit = try memory.gate.withBytes(workingBytes(site, source)) {
            try kept(makeFit(site, candidate, source, key, isPolished: isPolished, execution), site, key)
        }
        basis.fits.keep(fit, key)
        return fit
    }

    private func workingBytes(_ site: MatrixSite, _ source: any CandidateSource) -> Int {
        source.workingBytes(site.shape, isWeighted: basis.grams != nil && site.role == .linear)
    }

    private func makeFit(
        _ site: MatrixSite, _ candidate: Candidate, _ source: any CandidateSource, _ key: String, isPolished: Bool,
        _ execution: ExecutionContext
    ) throws -> AnyFit {
        let place = try candidateContext(site, execution: execution)
        if let matrix = try journal.matrix(key: key, shape: site.shape, isStreamed: memory.isScarce) {
            return try place.assessed(AnyFit(matrix: matrix, relativeError: 0, trace: []))
        }
        let quick = {
            let key = self.key(site, candidate)
            return try self.basis.fits.fit(key, of: site)
                ?? self.makeFit(site, candidate, source, key, isPolished: false, execution)
        }
        let fit = try place.assessed(
            isPolished ? source.polished(candidate, from: quick, place) : source.fit(candidate, place))
        if source.isSlow { try journal.store(fit.matrix, key: key) }
        return fit
    }

    /// The fit as it is kept: where memory is scarce and has no room for it, in the journal's file.
    private func kept(_ fit: AnyFit, _ site: MatrixSite, _ key: String) throws -> AnyFit {
        guard memory.isScarce else { return fit }
        // Factors are floats in memory.
        let bytes = max(fit.matrix.cost.storedBytes, 4 * fit.matrix.cost.parameters)
        guard !basis.fits.hasRoom(forChosen: bytes) else { return fit }
        if !journal.holds(key) { try journal.store(fit.matrix, key: key) }
        guard let matrix = try journal.matrix(key: key, shape: site.shape, isStreamed: true) else { return fit }
        return AnyFit(matrix: matrix, relativeError: fit.relativeError, trace: fit.trace)
    }

    /// Singular values of every weight under its objective, relative to the largest: at most 64, evenly spaced.
    /// Tables of many rows are left out: their decomposition would cost more than the compression.
    func spectra(progress: LoopProgress) throws -> [[Double]] {
        try work.map(
            sites.count, owner: { owners[sites[$0].name] ?? 0 },
            isKnown: { journal["spectrum/\(sites[$0].name)"] != nil }, progress: progress
        ) { index in
            let site = self.sites[index]
            var values = self.journal["spectrum/\(site.name)"]?.arrayValue?.compactMap(\.doubleValue)
            if values == nil, site.shape.rows <= Self.spectrumRows {
                let all = try self.memory.gate.withBytes(self.workingBytes(site, LowRankCandidates())) {
                    try self.candidateContext(site).lowRankFactorisation().singularValues
                }
                let step = max(1, (all.count + 63) / 64)
                let largest = all.first.map { $0 > 0 ? $0 : 1 } ?? 1
                let found = stride(from: 0, to: all.count, by: step).map { all[$0] / largest }
                try self.journal.record("spectrum/\(site.name)", .array(found.map { .number($0) }))
                values = found
            }
            return values ?? []
        } encode: { _, values in
            try JSONValue.array(values.map { .number($0) }).serialized()
        } decode: { _, bytes in
            try JSONValue.parse(bytes).arrayValue?.compactMap(\.doubleValue) ?? []
        }
    }

    static let spectrumRows = 8192

    private func key(_ site: MatrixSite, _ candidate: Candidate, isPolished: Bool = false) -> String {
        "\(isPolished ? "polished" : "fit")/\(site.name)/\(candidate.label)"
    }

    func candidateContext(_ site: MatrixSite, execution: ExecutionContext = .serial) throws -> CandidateContext {
        let weight = model[site: site.name].dense()
        guard weight.isFinite else { throw CompressionError.notFinite(matrix: site.name, what: "the weight") }
        return CandidateContext(
            site: site, weight: weight, objective: try objective(of: site, weight, basis.grams),
            assessment: try objective(of: site, weight, basis.heldOutGrams),
            fit: FitContext(name: site.name, seed: recipe.seed, precision: recipe.precision, execution: execution),
            factorisations: basis.factorisations)
    }

    /// Linear layers are weighted by their inputs, tables by how often their rows are looked up.
    private func objective(of site: MatrixSite, _ weight: Matrix, _ grams: GramStore?) throws -> Objective {
        guard recipe.objective == .activations else { return .frobenius }
        let gram = try site.input.flatMap { try grams?.gram(of: $0) }
        if site.role == .embedding { return try basis.usage.objective(of: site, weight: weight, gram: gram) }
        return gram.map(Objective.activations) ?? .frobenius
    }
}
