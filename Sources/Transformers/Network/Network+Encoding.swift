import ModelFiles
import StructuredMatrices
import Tensors

/// Runs of networks that see whole sequences and make one vector of each.
extension Network {
    /// Tokens of one run of the linear layers: enough for full speed, few enough for the cache.
    static let tokensPerBatch = 512
    /// Fewer tokens than this are not worth a thread of their own.
    private static let fewestTokens = 48

    /// The vector of each sequence, sequences x width. Trusts the sequences.
    /// - Parameter entry: where the run begins; nil for the tokens.
    func encode(
        _ sequences: [[Int]], _ layout: SentenceEmbeddingLayout, from entry: BlockEntry? = nil, context: ExecutionContext
    ) -> Matrix {
        var result = Matrix(rows: sequences.count, columns: width)
        result.withMutableView { result in
            if let runs = independentRuns(sequences, threads: context.threads) {
                context.parallelFor(runs.count) { index in
                    encode(sequences, runs[index], layout, from: entry, into: result, .serial)
                }
            } else {
                for run in SequenceBatch.runs(sequences, maximumTokens: Self.tokensPerBatch) {
                    encode(sequences, Array(run), layout, from: entry, into: result, context)
                }
            }
        }
        return result
    }

    /// Shows every linear input of whole sequences to the observer.
    func observeEncoding(_ sequences: [[Int]], context: ExecutionContext, observer: ActivationObserver) {
        for run in SequenceBatch.runs(sequences, maximumTokens: Self.tokensPerBatch) {
            forward(SequenceBatch(sequences[run]), context: context, isObserved: true, observer: observer) { _ in }
        }
    }

    /// Runs of like cost, as many as keep all threads busy to the end without waiting for each other; nil when the
    /// sequences are too few or too uneven for that. Which sequences share a run does not change their bits.
    private func independentRuns(_ sequences: [[Int]], threads: Int) -> [[Int]]? {
        let tokens = sequences.reduce(0) { $0 + $1.count }
        guard threads == 1 || tokens >= threads * Self.fewestTokens, tokens > 0 else { return nil }
        let count = threads * ((tokens + threads * Self.tokensPerBatch - 1) / (threads * Self.tokensPerBatch))
        let runs = SequenceBatch.balanced(sequences, bins: count, width: 6 * width)
        let longest = runs.map { run in run.reduce(0) { $0 + sequences[$1].count } }.max() ?? 0
        return threads == 1 || longest * count * 4 <= tokens * 5 ? runs.filter { !$0.isEmpty } : nil
    }

    private func encode(
        _ sequences: [[Int]], _ run: [Int], _ layout: SentenceEmbeddingLayout, from entry: BlockEntry?,
        into result: MutableMatrixView, _ context: ExecutionContext
    ) {
        let batch = SequenceBatch(run.map { sequences[$0] })
        forward(batch, from: entry?.selecting(run, of: sequences), context: context) { hidden in
            for (index, span) in zip(run, batch.spans) {
                layout.pool(
                    hidden.rows(span), into: UnsafeMutableBufferPointer(start: result.row(index), count: result.columns))
            }
        }
    }

    /// Shows `body` the last block's output, tokens x width.
    private func forward(
        _ batch: SequenceBatch, from entry: BlockEntry? = nil, context: ExecutionContext, isObserved: Bool = false,
        observer: ActivationObserver = { _, _ in }, body: (MatrixView) -> Void
    ) {
        let pass = NetworkPass(
            self, batch, blocks: entry.map { $0.block..<blocks.count }, entering: entry?.states, isObserved: isObserved,
            members: context.largestTeam)
        defer { pass.deallocate() }
        WorkerPool.shared.run(members: context.threads) { worker in pass.run(worker, scores: nil, observer: observer) }
        body(pass.output)
    }
}

extension SentenceEmbeddingLayout {
    /// One vector of a sequence's, tokens x width.
    fileprivate func pool(_ hidden: MatrixView, into sum: UnsafeMutableBufferPointer<Float>) {
        guard let base = sum.baseAddress else { return }
        switch pooling {
        case .cls:
            base.update(from: hidden.base, count: sum.count)
        case .max:
            sum.update(repeating: -.infinity)
            for row in 0..<hidden.rows {
                for column in sum.indices { sum[column] = max(sum[column], hidden.row(row)[column]) }
            }
        case .mean:
            sum.update(repeating: 0)
            for row in 0..<hidden.rows { Kernels.best.add(base, hidden.row(row), sum.count) }
            let share = 1 / Float(hidden.rows)
            for column in sum.indices { sum[column] *= share }
        }
        guard normalizes else { return }
        var squared = 0.0
        for number in sum { squared += Double(number) * Double(number) }
        let scale = Float(1 / max(squared.squareRoot(), 1e-12))
        for column in sum.indices { sum[column] *= scale }
    }
}
