import StructuredMatrices
import Tensors

extension BertEncoder {
    /// Tokens of one run of the linear layers: enough for full speed, few enough for the cache.
    static let tokensPerBatch = 512
    /// Fewer tokens than this are not worth a thread of their own.
    private static let fewestTokens = 48

    public func embed(_ sequences: [[Int]], context: ExecutionContext) throws -> Matrix {
        try check(sequences)
        var result = Matrix(rows: sequences.count, columns: dimension)
        result.withMutableView { result in
            if let runs = independentRuns(sequences, threads: context.threads) {
                context.parallelFor(runs.count) { index in embed(sequences, runs[index], into: result, .serial) }
            } else {
                for run in SequenceBatch.runs(sequences, maximumTokens: Self.tokensPerBatch) {
                    embed(sequences, Array(run), into: result, context)
                }
            }
        }
        return result
    }

    public func observe(_ sequences: [[Int]], context: ExecutionContext, observer: ActivationObserver) throws
    {
        try check(sequences)
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
        let runs = SequenceBatch.balanced(sequences, bins: count, width: 6 * configuration.hiddenSize)
        let longest = runs.map { run in run.reduce(0) { $0 + sequences[$1].count } }.max() ?? 0
        return threads == 1 || longest * count * 4 <= tokens * 5 ? runs.filter { !$0.isEmpty } : nil
    }

    private func embed(
        _ sequences: [[Int]], _ run: [Int], into result: MutableMatrixView, _ context: ExecutionContext
    ) {
        let batch = SequenceBatch(run.map { sequences[$0] })
        forward(batch, context: context) { hidden in
            for (index, span) in zip(run, batch.spans) {
                pool(hidden.rows(span), into: UnsafeMutableBufferPointer(start: result.row(index), count: result.columns))
            }
        }
    }

    /// Shows `body` the last layer's output, tokens x hidden.
    func forward(
        _ batch: SequenceBatch, layers: Range<Int>? = nil, states: Matrix? = nil, context: ExecutionContext,
        isObserved: Bool = false, observer: ActivationObserver = { _, _ in }, body: (MatrixView) -> Void
    ) {
        let pass = BertPass(
            self, batch, layers: layers, states: states, isObserved: isObserved, members: context.largestTeam)
        defer { pass.deallocate() }
        WorkerPool.shared.run(members: context.threads) { worker in pass.run(worker, observer: observer) }
        body(pass.output)
    }

    private func pool(_ hidden: MatrixView, into sum: UnsafeMutableBufferPointer<Float>) {
        guard let base = sum.baseAddress else { return }
        switch layout.pooling {
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
        guard layout.normalizes else { return }
        var squared = 0.0
        for number in sum { squared += Double(number) * Double(number) }
        let scale = Float(1 / max(squared.squareRoot(), 1e-12))
        for column in sum.indices { sum[column] *= scale }
    }
}
