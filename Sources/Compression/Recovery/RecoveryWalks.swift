import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Transformers

/// Walks through the blocks of a compressed model, changing it on the way. What was found is journaled input by input.
struct RecoveryWalks {
    let table: CandidateTable
    let dense: any NetworkModel
    /// What was compressed: the dense model, or what that was narrowed to.
    let whole: any NetworkModel
    /// What was chosen for every matrix that takes part.
    let candidates: [String: Candidate]
    let sequences: [[Int]]
    let journal: Journal
    /// Prefix of the journal's keys: what was chosen.
    let key: String
    let context: ExecutionContext
    /// Whether walks side by side, each with moments and matrices of its own, take more memory than there is.
    let isMemoryScarce: Bool
    /// Numbers of a tensor of the checkpoint as they will be stored.
    let rounding: @Sendable (_ tensor: String, _ values: [Float]) throws -> [Float]
    /// The inputs of every block in order.
    let inputs: [[String]]

    func forwardWalk(_ own: [any NetworkModel]) throws -> ForwardWalk {
        try ForwardWalk(dense: dense, own: own, sequences: sequences, context: context)
    }

    func hasBias(_ site: MatrixSite) -> Bool { whole[bias: site.name] != nil }

    /// The matrix and bias whose outputs of the dense model's inputs are wanted: where narrowing took inputs away, the dense
    /// model's own; elsewhere what narrowing left, whose outputs may be others. The matrix is nil where it is what was
    /// compressed.
    func wanted(_ site: MatrixSite, inputs: Int) -> (weight: Matrix?, bias: [Float]?) {
        guard inputs != site.shape.columns else { return (nil, whole[bias: site.name]) }
        let bias = dense[bias: site.name] ?? whole[bias: site.name].map { $0.map { _ in 0 } }
        return (dense[site: site.name].dense(), bias)
    }

    /// Calls `body` with the matrices of every input that take part, in the order of the computation.
    func forEachInput(
        _ progress: (Int, Int) -> Void, _ body: (_ sites: [MatrixSite], _ input: String, _ block: Int) throws -> Void
    ) rethrows {
        let byInput = Dictionary(grouping: table.sites.filter { $0.role == .linear }, by: { $0.input ?? "" })
        let total = inputs.reduce(0) { $0 + $1.count }
        var done = 0
        for (block, names) in inputs.enumerated() {
            for name in names {
                try body(byInput[name] ?? [], name, block)
                done += 1
                progress(done, total)
            }
        }
    }

    /// Trials that differ in what becomes of matrices alone, side by side: the dense model is run once for all of them.
    /// - Parameters:
    ///   - state: what the trials start from.
    ///   - origin: how that came about, for the journal.
    /// - Returns: what each leads to.
    /// - Throws: `CompressionError`, `FittingError`, `LinearAlgebraError`, `TransformersError`.
    func run(
        _ trials: [RecoveryTrial], from state: RecoveredModel, origin: String, progress: (Int, Int) -> Void
    ) throws -> [RecoveredModel] {
        let keys = trials.map { "\(key)/\(origin)/\($0.name)" }
        var states = trials.map { _ in state }
        var walk = try forwardWalk(states.map(\.model))
        var norms = (trials.contains(where: \.norms) ? dense.norms : [])[...]
        /// Those that come before what `isNext` says.
        func tune(while isNext: (NormSite) -> Bool) throws {
            while let norm = norms.first, isNext(norm) {
                norms.removeFirst()
                for index in trials.indices { try tuneNorm(norm, index, keys[index], &states[index], &walk) }
            }
        }
        try forEachInput(progress) { sites, input, block in
            try tune { $0.block < block || ($0.block == block && $0.output == .input(input)) }
            guard !sites.isEmpty else { return }
            try change(sites, input, block, trials, keys.map { "\($0)/\(input)" }, &states, &walk)
        }
        try tune { _ in true }
        return states
    }

    private func tuneNorm(
        _ norm: NormSite, _ index: Int, _ key: String, _ state: inout RecoveredModel, _ walk: inout ForwardWalk
    ) throws {
        let key = "\(key)/\(norm.name)"
        var vectors = journal.vectors(key: key) ?? [:]
        if vectors.isEmpty {
            let tuned = try walk.features(of: norm, model: index).tuned(state.model[norm: norm.name])
            var found = ["\(norm.name).weight": tuned.gain]
            if let shift = tuned.shift { found["\(norm.name).bias"] = shift }
            for (name, values) in found { vectors[name] = try rounding(name, values) }
            try journal.record(vectors: vectors, key: key)
        }
        for (name, values) in vectors { state.set(name, to: values) }
        walk.own[index] = state.model
    }

    /// The matrices of one input, and their biases.
    /// - Parameter keys: the journal's, of every trial.
    private func change(
        _ sites: [MatrixSite], _ input: String, _ block: Int, _ trials: [RecoveryTrial], _ keys: [String],
        _ states: inout [RecoveredModel], _ walk: inout ForwardWalk
    ) throws {
        let isCentred = trials.allSatisfy(\.biases) && sites.allSatisfy(hasBias)
        let meansOnly = trials.allSatisfy { if case .kept = $0.matrices { true } else { false } }
        if meansOnly, !isCentred { return }
        defer { walk.own = states.map(\.model) }
        let open = try trials.indices.filter { try !follow(keys[$0], sites, &states[$0]) }
        guard !open.isEmpty else { return }
        // Outputs mended by themselves add to what the sum lacks already: in encoders biases alone then do harm.
        let sum = sites.count == 1 ? dense.residual(of: sites[0].name) : nil
        let moments = try walk.moments(
            of: input, block: block, models: open, sum: sum, centred: isCentred, meansOnly: meansOnly)
        let targets: [OutputTarget?] = try context.parallelMap(open.count) { meansOnly ? nil : try OutputTarget(moments[$0]) }
        let old = open.map { index in sites.map { states[index].matrices[$0.name] } }
        let found = try context.parallelMap(open.count * sites.count) { task in
            let (place, index) = task.quotientAndRemainder(dividingBy: sites.count)
            let (site, moments, old) = (sites[index], moments[place], old[place][index])
            let candidate = try table.candidateContext(site)
            let wanted = wanted(site, inputs: moments.denseMean.count)
            let matrix = try targets[place].flatMap {
                try self.matrix(candidate, $0, of: wanted.weight, trials[open[place]].matrices, old: old)
            }
            var bias: [Float]?
            if isCentred, let before = wanted.bias, let now = matrix ?? old {
                bias = BiasCorrection.bias(
                    before, weight: wanted.weight ?? candidate.weight, replacement: now.dense(), moments: moments)
            }
            return (matrix: matrix, bias: bias)
        }
        for (place, index) in open.enumerated() {
            var vectors: [String: [Float]] = [:]
            for (site, found) in zip(sites, found[place * sites.count..<(place + 1) * sites.count]) {
                if let matrix = found.matrix {
                    try journal.store(matrix, key: "\(keys[index])/\(site.name)")
                    states[index].replace(site.name, by: matrix)
                }
                if let bias = found.bias { vectors["\(site.name).bias"] = try rounding("\(site.name).bias", bias) }
            }
            for (name, values) in vectors { states[index].set(name, to: values) }
            try journal.record(vectors: vectors, key: keys[index])
        }
    }

    /// Does again what the journal remembers of a trial at one input, if it does.
    private func follow(_ key: String, _ sites: [MatrixSite], _ state: inout RecoveredModel) throws -> Bool {
        guard let vectors = journal.vectors(key: key) else { return false }
        for site in sites {
            guard let matrix = try journal.matrix(key: "\(key)/\(site.name)", shape: site.shape) else { continue }
            state.replace(site.name, by: matrix)
        }
        for (name, values) in vectors { state.set(name, to: values) }
        return true
    }

    /// Nil where a matrix stays as it is.
    private func matrix(
        _ place: CandidateContext, _ target: OutputTarget, of dense: Matrix?, _ change: RecoveryTrial.Matrices,
        old: (any StructuredMatrix)?
    ) throws -> (any StructuredMatrix)? {
        guard let candidate = candidates[place.site.name], let old else { return nil }
        var fit = place.fit
        fit.execution = context
        func refitted(toward weight: Matrix) throws -> (any StructuredMatrix)? {
            try LeastSquaresRefit().refit(old, toward: weight, gram: target.gram, name: place.site.name)
        }
        switch change {
        case .kept: return nil
        case .adjusted(let share): return try refitted(toward: target.weight(place.weight, of: dense, share: share))
        case .fitted(let share):
            let weight = target.weight(place.weight, of: dense, share: share)
            guard let source = CandidateSources.find(candidate.family) else { return nil }
            // What took long once takes as long again.
            guard !source.isSlow else { return try refitted(toward: weight) }
            let there = CandidateContext(
                site: place.site, weight: weight, objective: .activations(target.gram), fit: fit)
            return try source.polished(candidate, from: { try source.fit(candidate, there) }, there).matrix
        case .corrected(let ranks):
            guard let rank = ranks[place.site.name] else { return nil }
            let cost = Cost.lowRank(rank, shape: place.site.shape, precision: fit.precision)
            return try LowRankCompensation().compensate(
                old, toward: target.weight(place.weight, of: dense, share: 1), objective: .activations(target.gram),
                size: .storedBytes(cost.storedBytes), context: fit
            ).matrix
        }
    }
}
