import StructuredMatrices
import Tensors

/// What stands before the first block and behind the last.
extension NetworkPass {
    /// The sum of what word, constant and position give, normalised where the network begins so.
    func embed(
        _ share: TokenShare, into hidden: MutableMatrixView, _ worker: Worker, _ observer: ActivationObserver
    ) {
        let update = view(update, columns: hidden.columns)
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

    /// The final normalisation, of the wanted rows alone where there is a head, what projects the end of the stream, and the
    /// head.
    func finish(
        _ hidden: MutableMatrixView, _ share: TokenShare, _ worker: Worker, _ scores: MutableMatrixView?,
        _ observer: ActivationObserver
    ) {
        guard let head = network.headPlace else {
            network.output.norm?.apply(hidden.rows(share.rows).readable, into: hidden.rows(share.rows))
            guard let projection = network.output.projection else { return }
            share.barrier()
            if isObserved, worker.index == 0 { observer("\(projection) input", hidden.readable) }
            multiply(network[.outputProjection], hidden, projected, worker)
            worker.barrier()
            addBias(network[.outputProjection], to: projected, worker)
            return
        }
        share.barrier()
        let wantedShare = TokenShare(tokens: wanted.count, worker: worker)
        let last = view(last[wantedShare.copy], columns: hidden.columns)
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
            if let scores { score(network[head], last, scores, worker) }
            return
        }
        observe("\(projection) input", last)
        multiply(network[.outputProjection], last, projected, worker)
        worker.barrier()
        if network[.outputProjection].bias != nil {
            addBias(network[.outputProjection], to: projected, worker)
            worker.barrier()
        }
        observe(Network.headInput, projected)
        if let scores { score(network[head], projected, scores, worker) }
    }

    private func score(
        _ head: borrowing Linear, _ input: MutableMatrixView, _ scores: MutableMatrixView, _ worker: Worker
    ) {
        multiply(head, input, scores, worker)
        // A tied table is the head by its weight alone.
        guard head.bias != nil else { return }
        worker.barrier()
        addBias(head, to: scores, worker)
    }

    /// A member's share of adding a bias to what all have made.
    private func addBias(_ linear: borrowing Linear, to all: MutableMatrixView, _ worker: Worker) {
        guard let bias = linear.bias else { return }
        bias.withUnsafeBufferPointer { bias in
            guard let base = bias.baseAddress else { return }
            worker.forEachPiece(of: all) { row, columns in
                Kernels.best.add(all.row(row) + columns.lowerBound, base + columns.lowerBound, columns.count)
            }
        }
    }
}
