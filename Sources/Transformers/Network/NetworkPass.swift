import ModelFiles
import StructuredMatrices
import Tensors

/// One run of a network over a batch of tokens: the memory it needs, and what a member of a team does.
struct NetworkPass {
    let network: Network
    let batch: SequenceBatch
    /// One for each sequence, with room for its new tokens; empty when sequences begin here and nothing is kept.
    let caches: [KeyValueCache]
    /// Rows whose scores, or last hidden states, are wanted.
    let wanted: [Int]

    let words: Matrix
    let positions: Matrix
    let positionRows: [Int]
    /// One for all blocks, or one for each.
    let rotations: [RotaryTable]
    /// One, or one for each member (`TokenShare`).
    private let hidden: [MutableMatrixView]
    private let normed: [MutableMatrixView]
    let last: [MutableMatrixView]
    let update, query, mixed, key, value, gate, up: MutableMatrixView
    /// What skip matrices make of a cut stream.
    private let skipped: MutableMatrixView
    /// Of the wanted rows; of all tokens where there is no head.
    let projected: MutableMatrixView
    let productScratch: UnsafeMutablePointer<Float>
    /// Of skip matrices, whose products stand between the same barriers as others.
    private let skipScratch: UnsafeMutablePointer<Float>
    let attentionScratch: UnsafeMutablePointer<Float>
    private let arena: ActivationArena
    let expertMemory: ExpertMemory
    let isObserved: Bool
    /// The blocks to run.
    private let run: Range<Int>
    /// What the first of them reads, tokens x width; nil for the tokens' embeddings.
    private let entering: Matrix?
    /// The inputs of one of the blocks behind which there is nothing more to see; nil runs to the end.
    private let lastSeen: Set<String>?

    /// - Parameters:
    ///   - wanted: rows of the batch that go through the head; none for encoders.
    ///   - blocks: those to run; nil for all. What follows the last block is run where that is among them.
    ///   - entering: what the first of them reads, tokens x width; nil for the tokens' embeddings.
    ///   - lastSeen: ends the run once these inputs of a block were shown, without an output; nil runs to the end.
    init(
        _ network: Network, _ batch: SequenceBatch, caches: [KeyValueCache] = [], wanted: [Int] = [],
        blocks: Range<Int>? = nil, entering: Matrix? = nil, lastSeen: Set<String>? = nil, isObserved: Bool, members: Int
    ) {
        let sizes = PassSizes(network, tokens: batch.tokens.count, wanted: wanted.count)
        let (tokens, width) = (batch.tokens.count, network.widestStream)
        let copies = TokenShare.copies(tokens: tokens, members: members)
        let lastCopies = TokenShare.copies(tokens: wanted.count, members: members)
        let normedCopies = network.normalizesFirst ? copies : 0
        let perToken = (copies + normedCopies + 1) * width + sizes.perToken
        let projectedRows = network.headPlace == nil ? tokens : wanted.count
        var arena = ActivationArena(
            floats: tokens * perToken + wanted.count * lastCopies * width + projectedRows * sizes.projected
                + sizes.products + sizes.skips + members * sizes.attention
                + sizes.experts.floats(tokens: tokens, width: width, copies: copies),
            views: 15 + 2 * copies + lastCopies + sizes.experts.views(copies: copies))
        hidden = (0..<copies).map { _ in arena.take(rows: tokens, columns: width) }
        normed = (0..<normedCopies).map { _ in arena.take(rows: tokens, columns: width) }
        last = (0..<lastCopies).map { _ in arena.take(rows: wanted.count, columns: width) }
        update = arena.take(rows: tokens, columns: width)
        query = arena.take(rows: tokens, columns: sizes.query)
        mixed = arena.take(rows: tokens, columns: sizes.mixed)
        key = arena.take(rows: tokens, columns: sizes.key)
        value = arena.take(rows: tokens, columns: sizes.value)
        gate = arena.take(rows: tokens, columns: sizes.gate)
        up = arena.take(rows: tokens, columns: sizes.up)
        skipped = arena.take(rows: tokens, columns: sizes.skipped)
        projected = arena.take(rows: projectedRows, columns: sizes.projected)
        productScratch = arena.take(floats: sizes.products)
        skipScratch = arena.take(floats: sizes.skips)
        attentionScratch = arena.take(floats: members * sizes.attention)
        expertMemory = ExpertMemory(sizes.experts, tokens: tokens, width: width, copies: copies, from: &arena)
        self.arena = arena

        self.network = network
        self.batch = batch
        self.isObserved = isObserved
        run = blocks ?? network.blocks.indices
        self.entering = entering
        self.lastSeen = lastSeen
        self.caches = caches
        self.wanted = wanted
        words = entering == nil ? network[.words].weight.gatherInBatches(rows: batch.tokens) : Matrix(rows: 0, columns: 0)
        let starts = caches.isEmpty ? batch.spans.map { _ in 0 } : caches.map(\.count)
        (positions, positionRows) = Self.positions(network, batch, starts)
        rotations = network.rotations(batch, starts: starts)
    }

    /// The rows of the table of positions that are needed, and which of them each token gets.
    private static func positions(
        _ network: Network, _ batch: SequenceBatch, _ starts: [Int]
    ) -> (table: Matrix, rows: [Int]) {
        guard network.input.positions != nil else { return (Matrix(rows: 0, columns: 0), []) }
        let table = network[.positions].weight
        let rows = zip(batch.spans, starts).flatMap { span, start in
            network.input.positionRule.rows(batch.tokens[span], start: start)
        }
        let (first, end) = (rows.min() ?? 0, (rows.max() ?? -1) + 1)
        if end - first > rows.count { return (table.gatherInBatches(rows: rows), Array(rows.indices)) }
        return (table.gatherInBatches(rows: Array(first..<end)), rows.map { $0 - first })
    }

    func deallocate() { arena.deallocate() }

    /// The last block's output, tokens x width; normalised and projected where the network ends so and has no head. Once all
    /// members have returned.
    var output: MatrixView {
        let isProjected = network.headPlace == nil && network.output.projection != nil && run.upperBound == network.blocks.count
        return isProjected ? projected.readable : view(hidden[0], columns: network.streamWidth(before: run.upperBound)).readable
    }

    /// What one member does of the whole run. `scores` (wanted rows x vocabulary), where given, is complete when all
    /// members have returned; where the run is observed, the first member calls the observer.
    func run(_ worker: Worker, scores: MutableMatrixView?, observer: ActivationObserver) {
        let share = TokenShare(tokens: batch.tokens.count, worker: worker)
        var hidden = view(hidden[share.copy], columns: network.streamWidth(before: run.lowerBound))
        if let entering {
            entering.withView { entering in
                for row in share.rows { hidden.row(row).update(from: entering.row(row), count: hidden.columns) }
            }
        } else {
            embed(share, into: hidden, worker, observer)
        }
        // Every member for itself, so that all end at the same place.
        var unseen = lastSeen ?? []
        for index in run {
            // Taken out of the array once: a block is copied whole, and members who count its references wait for each other.
            let block = network.blocks[index]
            /// Whether nothing is left to be seen.
            func observe(_ activations: MutableMatrixView, _ name: KeyPath<BlockNames, String>) -> Bool {
                guard isObserved else { return false }
                let name = block.names[keyPath: name]
                if worker.index == 0 { observer(name, activations.readable) }
                return unseen.remove(name) != nil && unseen.isEmpty
            }
            let (middle, end) = (block.stream.feedForward, block.stream.output)
            let hasAttention = block.sizes.heads > 0
            if hasAttention {
                let input = normalised(hidden, block.attentionNorm, share)
                if observe(input, \.attentionInput) { return }
                project(index, block, input.readable, worker)
                attend(index, block, worker)
                worker.barrier()
                let mixed = mixed(index)
                if observe(mixed, \.attentionOutputInput) { return }
                skip(index, .attentionSkip, hidden, middle, worker, observer)
                multiply(block.attentionOutput, mixed, view(update, columns: middle), worker)
                worker.barrier()
            } else if block.hasAttentionSkip {
                worker.barrier()
                skip(index, .attentionSkip, hidden, middle, worker, observer)
                worker.barrier()
            }
            hidden = add(
                block.attentionOutput, block.attentionNorm, to: hidden, width: middle, share,
                isSkipped: block.hasAttentionSkip, hasUpdate: hasAttention)

            let ranExperts = addExperts(index, to: hidden, share, worker)
            let hasFeedForward = block.sizes.feedForwardWidth > 0 && !ranExperts
            if hasFeedForward {
                let input = normalised(hidden, block.feedForwardNorm, share)
                if observe(input, \.feedForwardInput) { return }
                let wide = expand(block, input.readable, worker)
                worker.barrier()
                keepChosen(index, input, wide, share, worker)
                if observe(wide, \.downInput) { return }
                skip(index, .feedForwardSkip, hidden, end, worker, observer)
                multiply(block.down, wide, view(update, columns: end), worker)
                worker.barrier()
                addMeans(index, to: hidden, share)
            } else if block.hasFeedForwardSkip {
                worker.barrier()
                skip(index, .feedForwardSkip, hidden, end, worker, observer)
                worker.barrier()
            }
            hidden = add(
                block.down, block.feedForwardNorm, to: hidden, width: end, share,
                isSkipped: block.hasFeedForwardSkip, hasUpdate: hasFeedForward)
        }
        guard run.upperBound == network.blocks.count else { return }
        finish(hidden, share, worker, scores, observer)
    }

    /// What a part reads: the stream, normalised where norms stand first.
    func normalised(
        _ hidden: MutableMatrixView, _ norm: borrowing Norm, _ share: TokenShare
    ) -> MutableMatrixView {
        guard network.normalizesFirst else {
            share.barrier()
            return hidden
        }
        let normed = view(normed[share.copy], columns: hidden.columns)
        norm.apply(hidden.rows(share.rows).readable, into: normed.rows(share.rows))
        share.barrier()
        return normed
    }

    /// A member's share of what carries a cut stream past a part; complete after the next barrier. Called behind one, when
    /// the stream is complete and no one needs any more what was skipped before.
    private func skip(
        _ layer: Int, _ matrix: BlockMatrix, _ hidden: MutableMatrixView, _ width: Int, _ worker: Worker,
        _ observer: ActivationObserver
    ) {
        let isThere =
            matrix == .attentionSkip ? network.blocks[layer].hasAttentionSkip : network.blocks[layer].hasFeedForwardSkip
        guard isThere else { return }
        if isObserved, worker.index == 0 { observer(network.blocks[layer].names.input(of: matrix), hidden.readable) }
        network.blocks[layer][matrix].multiply(
            hidden.readable, into: view(skipped, columns: width), scratch: skipScratch, worker: worker)
    }

    /// The stream behind a part: hidden, or what was skipped, + bias + update, and where norms stand last norm of that. In the
    /// memory of `hidden`. The update is another's to read as well, so the bias goes to the sum.
    private func add(
        _ linear: borrowing Linear, _ norm: borrowing Norm, to hidden: MutableMatrixView, width: Int, _ share: TokenShare,
        isSkipped: Bool, hasUpdate: Bool
    ) -> MutableMatrixView {
        let result = view(hidden, columns: width)
        let own = result.rows(share.rows)
        if isSkipped {
            let skipped = view(skipped, columns: width)
            for row in share.rows { result.row(row).update(from: skipped.row(row), count: width) }
        }
        linear.addBias(to: own)
        let update = view(update, columns: width)
        if network.normalizesFirst {
            guard hasUpdate else { return result }
            for row in share.rows { Kernels.best.add(result.row(row), update.row(row), width) }
        } else if hasUpdate {
            norm.apply(adding: update.rows(share.rows).readable, to: own)
        } else {
            norm.apply(own.readable, into: own)
        }
        return result
    }

    func multiply(
        _ linear: borrowing Linear, _ input: MutableMatrixView, _ output: MutableMatrixView, _ worker: Worker
    ) {
        linear.multiply(input.readable, into: output, scratch: productScratch, worker: worker)
    }
}

extension Network {
    /// One table of turns for all blocks, or one for each where some kept other pairs of features than others.
    fileprivate func rotations(_ batch: SequenceBatch, starts: [Int]) -> [RotaryTable] {
        guard let rotary else { return [] }
        guard blocks.contains(where: { $0.sizes.rotaryPairs != nil }) else {
            return [RotaryTable(batch, starts: starts, rotary, pairs: rotary.frequencies.count)]
        }
        return blocks.map { block in
            guard let pairs = block.sizes.rotaryPairs else {
                return RotaryTable(batch, starts: starts, rotary, pairs: rotary.frequencies.count)
            }
            return RotaryTable(batch, starts: starts, rotary.selecting(pairs), pairs: block.sizes.queryKeyWidth / 2)
        }
    }
}
