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
    private let wanted: [Int]

    private let words: Matrix
    private let positions: Matrix
    private let positionRows: [Int]
    /// One for all blocks, or one for each.
    let rotations: [RotaryTable]
    /// One, or one for each member (`TokenShare`).
    private let hidden: [MutableMatrixView]
    private let normed: [MutableMatrixView]
    private let last: [MutableMatrixView]
    let update, query, mixed, key, value, gate, up: MutableMatrixView
    private let projected: MutableMatrixView
    let productScratch: UnsafeMutablePointer<Float>
    let attentionScratch: UnsafeMutablePointer<Float>
    private let arena: ActivationArena
    let expertMemory: ExpertMemory
    let isObserved: Bool
    /// The blocks to run.
    private let run: Range<Int>
    /// What the first of them reads, tokens x width; nil for the tokens' embeddings.
    private let entering: Matrix?

    /// - Parameters:
    ///   - wanted: rows of the batch that go through the head; none for encoders.
    ///   - blocks: those to run; nil for all. What follows the last block is run where that is among them.
    ///   - entering: what the first of them reads, tokens x width; nil for the tokens' embeddings.
    init(
        _ network: Network, _ batch: SequenceBatch, caches: [KeyValueCache] = [], wanted: [Int] = [],
        blocks: Range<Int>? = nil, entering: Matrix? = nil, isObserved: Bool, members: Int
    ) {
        let sizes = PassSizes(network, tokens: batch.tokens.count, wanted: wanted.count)
        let (tokens, width) = (batch.tokens.count, network.width)
        let copies = TokenShare.copies(tokens: tokens, members: members)
        let lastCopies = TokenShare.copies(tokens: wanted.count, members: members)
        let normedCopies = network.normalizesFirst ? copies : 0
        let perToken = (copies + normedCopies + 1) * width + sizes.perToken
        var arena = ActivationArena(
            floats: tokens * perToken + wanted.count * (lastCopies * width + sizes.projected) + sizes.products
                + members * sizes.attention + sizes.experts.floats(tokens: tokens, width: width, copies: copies),
            views: 13 + 2 * copies + lastCopies + sizes.experts.views(copies: copies))
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
        projected = arena.take(rows: wanted.count, columns: sizes.projected)
        productScratch = arena.take(floats: sizes.products)
        attentionScratch = arena.take(floats: members * sizes.attention)
        expertMemory = ExpertMemory(sizes.experts, tokens: tokens, width: width, copies: copies, from: &arena)
        self.arena = arena

        self.network = network
        self.batch = batch
        self.isObserved = isObserved
        run = blocks ?? network.blocks.indices
        self.entering = entering
        self.caches = caches
        self.wanted = wanted
        words = entering == nil ? network[.words].weight.gather(rows: batch.tokens) : Matrix(rows: 0, columns: 0)
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
        if end - first > rows.count { return (table.gather(rows: rows), Array(rows.indices)) }
        return (table.gather(rows: Array(first..<end)), rows.map { $0 - first })
    }

    func deallocate() { arena.deallocate() }

    /// The last block's output, normalised where the network ends so, tokens x width; once all members have returned.
    /// Not for networks with a head.
    var output: MatrixView { hidden[0].readable }

    /// What one member does of the whole run. `scores` (wanted rows x vocabulary), where given, is complete when all
    /// members have returned; where the run is observed, the first member calls the observer.
    func run(_ worker: Worker, scores: MutableMatrixView?, observer: ActivationObserver) {
        let share = TokenShare(tokens: batch.tokens.count, worker: worker)
        let hidden = hidden[share.copy]
        if let entering {
            entering.withView { entering in
                for row in share.rows { hidden.row(row).update(from: entering.row(row), count: hidden.columns) }
            }
        } else {
            embed(share, into: hidden, worker, observer)
        }
        for index in run {
            func observe(_ activations: MutableMatrixView, _ name: KeyPath<BlockNames, String>) {
                guard isObserved, worker.index == 0 else { return }
                observer(network.blocks[index].names[keyPath: name], activations.readable)
            }
            if network.blocks[index].sizes.heads > 0 {
                let input = normalised(hidden, network.blocks[index].attentionNorm, share)
                observe(input, \.attentionInput)
                project(index, input.readable, worker)
                attend(index, worker)
                worker.barrier()
                let mixed = mixed(index)
                observe(mixed, \.attentionOutputInput)
                multiply(network.blocks[index].attentionOutput, mixed, update, worker)
                worker.barrier()
            }
            add(
                network.blocks[index].attentionOutput, network.blocks[index].attentionNorm, to: hidden, share,
                hasUpdate: network.blocks[index].sizes.heads > 0)

            let ranExperts = addExperts(index, to: hidden, share, worker)
            if network.blocks[index].sizes.feedForwardWidth > 0, !ranExperts {
                let input = normalised(hidden, network.blocks[index].feedForwardNorm, share)
                observe(input, \.feedForwardInput)
                let wide = expand(index, input.readable, worker)
                worker.barrier()
                keepChosen(index, input, wide, share, worker)
                observe(wide, \.downInput)
                multiply(network.blocks[index].down, wide, update, worker)
                worker.barrier()
                addMeans(index, to: hidden, share)
            }
            add(
                network.blocks[index].down, network.blocks[index].feedForwardNorm, to: hidden, share,
                hasUpdate: network.blocks[index].sizes.feedForwardWidth > 0 && !ranExperts)
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
        let normed = normed[share.copy]
        norm.apply(hidden.rows(share.rows).readable, into: normed.rows(share.rows))
        share.barrier()
        return normed
    }

    /// hidden += bias + update, and where norms stand last hidden <- norm(hidden). The update is another's to read as well,
    /// so the bias goes to the sum.
    private func add(
        _ linear: borrowing Linear, _ norm: borrowing Norm, to hidden: MutableMatrixView, _ share: TokenShare,
        hasUpdate: Bool
    ) {
        let own = hidden.rows(share.rows)
        linear.addBias(to: own)
        if network.normalizesFirst {
            guard hasUpdate else { return }
            for row in share.rows { Kernels.best.add(hidden.row(row), update.row(row), hidden.columns) }
        } else if hasUpdate {
            norm.apply(adding: update.rows(share.rows).readable, to: own)
        } else {
            norm.apply(own.readable, into: own)
        }
    }

    /// The sum of what word, constant and position give, normalised where the network begins so.
    private func embed(
        _ share: TokenShare, into hidden: MutableMatrixView, _ worker: Worker, _ observer: ActivationObserver
    ) {
        words.withView { words in
            if let projection = network.input.projection {
                if isObserved, worker.index == 0 { observer("\(projection) input", words) }
                network[.inputProjection].multiply(words, into: update, scratch: productScratch, worker: worker)
                worker.barrier()
            }
            let source = network.input.projection == nil ? words : update.readable
            for row in share.rows { hidden.row(row).update(from: source.row(row), count: hidden.columns) }
        }
        if network.input.projection != nil { network[.inputProjection].addBias(to: hidden.rows(share.rows)) }
        network.input.first.withUnsafeBufferPointer { first in
            // An empty array may have an address too.
            guard !first.isEmpty, let first = first.baseAddress else { return }
            for span in batch.spans where share.rows.contains(span.lowerBound) {
                hidden.row(span.lowerBound).update(from: first, count: hidden.columns)
            }
        }
        network.input.constant.withUnsafeBufferPointer { constant in
            guard !constant.isEmpty, let constant = constant.baseAddress else { return }
            for row in share.rows { Kernels.best.add(hidden.row(row), constant, hidden.columns) }
        }
        if !positionRows.isEmpty {
            positions.withView { positions in
                for row in share.rows {
                    Kernels.best.add(hidden.row(row), positions.row(positionRows[row]), hidden.columns)
                }
            }
        }
        network.input.norm?.apply(hidden.rows(share.rows).readable, into: hidden.rows(share.rows))
    }

    /// The final normalisation, of the wanted rows alone where there is a head, and the head.
    private func finish(
        _ hidden: MutableMatrixView, _ share: TokenShare, _ worker: Worker, _ scores: MutableMatrixView?,
        _ observer: ActivationObserver
    ) {
        guard let head = network.headPlace else {
            network.output.norm?.apply(hidden.rows(share.rows).readable, into: hidden.rows(share.rows))
            return
        }
        share.barrier()
        let wantedShare = TokenShare(tokens: wanted.count, worker: worker)
        let last = last[wantedShare.copy]
        for index in wantedShare.rows {
            let source = hidden.rows(wanted[index]..<wanted[index] + 1)
            let target = last.rows(index..<index + 1)
            if let norm = network.output.norm {
                norm.apply(source.readable, into: target)
            } else {
                target.base.update(from: source.base, count: target.columns)
            }
        }
        wantedShare.barrier()
        func observe(_ name: String, _ activations: MutableMatrixView) {
            if isObserved, worker.index == 0 { observer(name, activations.readable) }
        }
        guard let projection = network.output.projection else {
            observe(Network.headInput, last)
            if let scores { multiply(network[head], last, scores, worker) }
            return
        }
        observe("\(projection) input", last)
        multiply(network[.outputProjection], last, projected, worker)
        worker.barrier()
        observe(Network.headInput, projected)
        if let scores { multiply(network[head], projected, scores, worker) }
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
