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
    /// Numbers of a tensor of the checkpoint as they will be stored.
    let rounding: @Sendable (_ tensor: String, _ values: [Float]) throws -> [Float]
    /// The inputs of every block in order.
    let inputs: [[String]]

    func forwardWalk(_ own: any NetworkModel) throws -> ForwardWalk {
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

    /// - Parameters:
    ///   - state: what the trial starts from.
    ///   - origin: how that came about, for the journal.
    /// - Throws: `CompressionError`, `FittingError`, `LinearAlgebraError`, `TransformersError`.
    func run(
        _ trial: RecoveryTrial, from state: RecoveredModel, origin: String, progress: (Int, Int) -> Void
    ) throws -> RecoveredModel {
        let key = "\(key)/\(origin)/\(trial.name)"
        var state = state
        var walk = try forwardWalk(state.model)
        var norms = (trial.norms ? dense.norms : [])[...]
        /// Those that come before what `isNext` says.
        func tune(while isNext: (NormSite) -> Bool) throws {
            while let norm = norms.first, isNext(norm) {
                norms.removeFirst()
                try tuneNorm(norm, key, &state, &walk)
            }
        }
        try forEachInput(progress) { sites, input, block in
            try tune { $0.block < block || ($0.block == block && $0.output == .input(input)) }
            guard !sites.isEmpty else { return }
            try change(sites, input, block, trial, key, &state, &walk)
        }
        try tune { _ in true }
        return state
    }

    private func tuneNorm(
        _ norm: NormSite, _ key: String, _ state: inout RecoveredModel, _ walk: inout ForwardWalk
    ) throws {
        let key = "\(key)/\(norm.name)"
        var vectors = journal.vectors(key: key) ?? [:]
        if vectors.isEmpty {
            let tuned = try walk.features(of: norm).tuned(state.model[norm: norm.name])
            var found = ["\(norm.name).weight": tuned.gain]
            if let shift = tuned.shift { found["\(norm.name).bias"] = shift }
            for (name, values) in found { vectors[name] = try rounding(name, values) }
            try journal.record(vectors: vectors, key: key)
        }
        for (name, values) in vectors { state.set(name, to: values) }
        walk.own = state.model
    }

    /// The matrices of one input, and their biases.
    private func change(
        _ sites: [MatrixSite], _ input: String, _ block: Int, _ trial: RecoveryTrial, _ key: String,
        _ state: inout RecoveredModel, _ walk: inout ForwardWalk
    ) throws {
        let key = "\(key)/\(input)"
        let isCentred = trial.biases && sites.allSatisfy(hasBias)
        var meansOnly = false
        if case .kept = trial.matrices {
            guard isCentred else { return }
            meansOnly = true
        }
        defer { walk.own = state.model }
        if let vectors = journal.vectors(key: key) {
            for site in sites {
                guard let matrix = try journal.matrix(key: "\(key)/\(site.name)", shape: site.shape) else { continue }
                state.replace(site.name, by: matrix)
            }
            for (name, values) in vectors { state.set(name, to: values) }
            return
        }
        // Outputs mended by themselves add to what the sum lacks already: in encoders biases alone then do harm.
        let sum = sites.count == 1 ? dense.residual(of: sites[0].name) : nil
        let moments = try walk.moments(of: input, block: block, sum: sum, centred: isCentred, meansOnly: meansOnly)
        let target = meansOnly ? nil : try OutputTarget(moments)
        let old = sites.map { state.matrices[$0.name] }
        let found = try context.parallelMap(sites.count) { index in
            let site = sites[index]
            let place = try table.candidateContext(site)
            let wanted = wanted(site, inputs: moments.denseMean.count)
            let matrix = try target.flatMap {
                try self.matrix(place, $0, of: wanted.weight, trial.matrices, old: old[index])
            }
            var bias: [Float]?
            if isCentred, let before = wanted.bias, let now = matrix ?? old[index] {
                bias = BiasCorrection.bias(
                    before, weight: wanted.weight ?? place.weight, replacement: now.dense(), moments: moments)
            }
            return (matrix: matrix, bias: bias)
        }
        var vectors: [String: [Float]] = [:]
        for (site, found) in zip(sites, found) {
            if let matrix = found.matrix {
                try journal.store(matrix, key: "\(key)/\(site.name)")
                state.replace(site.name, by: matrix)
            }
            if let bias = found.bias { vectors["\(site.name).bias"] = try rounding("\(site.name).bias", bias) }
        }
        for (name, values) in vectors { state.set(name, to: values) }
        try journal.record(vectors: vectors, key: key)
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
            return try source.polished(candidate, there).matrix
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
