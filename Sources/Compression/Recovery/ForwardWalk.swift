import Tensors
import Transformers

/// The dense and compressed models side by side, block after block, over the same sequences.
///
/// Memory: a state of all tokens for each model (4 tokens width bytes), and the activations of one batch of sequences.
struct ForwardWalk {
    let dense: any NetworkModel
    /// The compressed models; blocks that the walk has passed must not change any more.
    var own: [any NetworkModel]
    private var denseWalk: BlockWalk
    private var ownWalks: [BlockWalk]

    /// Bytes that states may take; sequences beyond are left out.
    static let stateLimit = 512 << 20
    static let mostTokens = 1 << 14
    /// The most tokens whose products are summed in `Float`.
    static let tokensAtOnce = 2048

    /// - Throws: `ModelFileError`.
    init(dense: any NetworkModel, own: [any NetworkModel], sequences: [[Int]], context: ExecutionContext) throws {
        self.dense = dense
        self.own = own
        let width = dense.hiddenSize
        var room = min(Self.mostTokens, Self.stateLimit / 8 / max(1, width))
        let sequences = Array(
            sequences.enumerated().prefix { index, sequence in
                room -= sequence.count
                return room >= 0 || index == 0
            }.map(\.element))
        let batches = SequencePasses(sequences, tokensPerPass: Self.tokensAtOnce).passes
        func walk() throws -> BlockWalk { try BlockWalk(sequences, batches: batches, width: width, context: context) }
        denseWalk = try walk()
        ownWalks = try own.map { _ in try walk() }
    }

    /// The inputs of every block in the order of the computation, without those of what comes before the first.
    /// - Throws: `TransformersError`.
    static func inputs(of model: any NetworkModel, sequence: [Int]) throws -> [[String]] {
        var before: Set<String> = []
        _ = try model.states([sequence], context: .serial) { name, _ in before.insert(name) }
        return (0..<model.blockCount).map { model.inputs(ofBlock: $0).filter { !before.contains($0) } }
    }

    /// Moments of an input of a block, for some of the compressed models. All models run the block again for every input, as
    /// far as that: behind the last one the compressed models' has changed, and what the dense model showed of all tokens would
    /// be several times its states.
    /// - Parameters:
    ///   - block: not before any that was asked for.
    ///   - models: places in `own`.
    ///   - sum: where the sum lies that the outputs of the input's matrices are added to.
    ///   - isCentred: about the means.
    ///   - meansOnly: leaves second moments zero.
    /// - Throws: `CompressionError.notFinite`, `TransformersError`.
    mutating func moments(
        of input: String, block: Int, models: [Int], sum: NormSite.Output? = nil, centred isCentred: Bool,
        meansOnly: Bool = false
    ) throws -> [PairedMoments] {
        try pass(to: block)
        var wanted: Set = [input]
        if case .input(let name) = sum { wanted.insert(name) }
        var moments: [Int: PairedMoments] = [:]
        for batch in denseWalk.batches.indices {
            let there = try inputs(wanted, denseWalk, dense, batch)
            guard let x = there.inputs[input] else { continue }
            for model in models {
                let here = try inputs(wanted, ownWalks[model], own[model], batch)
                guard let compressed = here.inputs[input] else { continue }
                let missing = sum.flatMap { sum -> Matrix? in
                    switch sum {
                    case .states: there.before - here.before
                    case .input(let name):
                        there.inputs[name].flatMap { left in here.inputs[name].map { left - $0 } }
                    }
                }
                var sums =
                    moments.removeValue(forKey: model)
                    ?? PairedMoments(features: compressed.columns, dense: x.columns, outputs: missing?.columns)
                sums.add(
                    dense: x, compressed: compressed, missing: missing, meansOnly: meansOnly, context: denseWalk.context)
                moments[model] = sums
            }
        }
        return try models.map { model in
            guard var result = moments.removeValue(forKey: model) else { return PairedMoments(features: 0) }
            result.finish(centred: isCentred && !meansOnly)
            guard result.isFinite else {
                throw CompressionError.notFinite(matrix: input, what: "the compressed model's input")
            }
            return result
        }
    }

    /// Moments of single features of what a norm gives, in the dense model and one of the compressed ones.
    /// - Throws: `TransformersError`.
    mutating func features(of norm: NormSite, model: Int) throws -> PairedFeatures {
        var features: PairedFeatures?
        func add(_ dense: Matrix, _ own: Matrix) {
            var sums = features ?? PairedFeatures(count: dense.columns)
            sums.add(dense: dense, own: own)
            features = sums
        }
        try pass(to: max(0, norm.block))
        let (own, ownWalk) = (own[model], ownWalks[model])
        for batch in denseWalk.batches.indices {
            switch norm.output {
            case .states where norm.block < 0:
                add(try denseWalk.states(of: batch, in: dense), try ownWalk.states(of: batch, in: own))
            case .states:
                add(try states(after: denseWalk, dense, batch), try states(after: ownWalk, own, batch))
            case .input(let name):
                let there = try inputs([name], denseWalk, dense, batch).inputs[name]
                let here = try inputs([name], ownWalk, own, batch).inputs[name]
                if let there, let here { add(there, here) }
            }
        }
        return features ?? PairedFeatures(count: 0)
    }

    private mutating func pass(to block: Int) throws {
        guard denseWalk.next < block else { return }
        try denseWalk.pass(to: block, of: dense)
        for model in own.indices { try ownWalks[model].pass(to: block, of: own[model]) }
    }

    private func states(after walk: BlockWalk, _ model: any NetworkModel, _ batch: Int) throws -> Matrix {
        try walk.run(batch, to: walk.next + 1, of: model) { _, _ in }.after
    }

    private func inputs(
        _ wanted: Set<String>, _ walk: BlockWalk, _ model: any NetworkModel, _ batch: Int
    ) throws -> (before: Matrix, inputs: [String: Matrix]) {
        var seen: [String: (columns: Int, elements: [Float])] = [:]
        // A batch is run in parts.
        let before = try walk.observe(wanted, batch, of: model) { name, activations in
            guard wanted.contains(name) else { return }
            for row in 0..<activations.rows {
                seen[name, default: (activations.columns, [])].elements
                    += UnsafeBufferPointer(start: activations.row(row), count: activations.columns)
            }
        }
        let matrices = seen.mapValues {
            Matrix(rows: $0.elements.count / max(1, $0.columns), columns: $0.columns, elements: $0.elements)
        }
        return (before, matrices)
    }
}
