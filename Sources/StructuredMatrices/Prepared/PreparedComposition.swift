import Tensors

/// A sum of prepared products: the first writes the output, each of the others a term that is added to it.
struct PreparedSum: PreparedProduct {
    let shape: MatrixShape
    let terms: [any PreparedProduct]

    /// Terms that are chains of stages become one chain, whose last stages add to the output as they write it.
    static func joined(_ terms: [any PreparedProduct], shape: MatrixShape) -> any PreparedProduct {
        var chained: [[PreparedStage]] = []
        var others: [any PreparedProduct] = []
        for term in terms {
            if let chain = term as? PreparedChain, chain.terms.allSatisfy({ $0.last?.canAccumulate ?? false }) {
                chained += chain.terms
            } else {
                others.append(term)
            }
        }
        if !chained.isEmpty { others.append(PreparedChain(shape: shape, terms: chained)) }
        return others.count == 1 ? others[0] : PreparedSum(shape: shape, terms: others)
    }

    var byteCount: Int { terms.reduce(0) { $0 + $1.byteCount } }
    func scratchFloats(batch: Int) -> Int {
        batch * shape.rows + (terms.map { $0.scratchFloats(batch: batch) }.max() ?? 0)
    }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let term = MutableMatrixView(base: scratch, rows: input.rows, columns: shape.rows)
        let rest = scratch + input.rows * shape.rows
        // One row is shared by its features, several by rows.
        let rows = input.rows == 1 ? 0..<1 : worker.share(of: input.rows)
        let columns = input.rows == 1 ? worker.share(of: shape.rows, grain: 16) : 0..<shape.rows
        for (index, product) in terms.enumerated() {
            product.apply(input, into: index == 0 ? output : term, scratch: rest, worker: worker)
            // Products share their scratch, and a term is whole when all members have written their part of it.
            worker.barrier()
            guard index > 0 else { continue }
            add(term.readable.block(rows: rows, columns: columns), to: output.block(rows: rows, columns: columns))
            if index < terms.count - 1 { worker.barrier() }
        }
    }
}

/// Prepared products one after the other, the first of them next to the input.
struct PreparedSequence: PreparedProduct {
    let shape: MatrixShape
    let steps: [any PreparedProduct]
    private let widest: Int

    /// Rows of a batch that pass through all steps together, so that what lies between stays in cache.
    private static let tile = 240

    /// Neighbours that are plain chains of stages become one.
    static func joined(_ steps: [any PreparedProduct], shape: MatrixShape) -> any PreparedProduct {
        var joined: [any PreparedProduct] = []
        for step in steps {
            if let last = joined.last as? PreparedChain, let next = step as? PreparedChain,
                last.terms.count == 1, next.terms.count == 1
            {
                joined[joined.count - 1] = PreparedChain(
                    shape: MatrixShape(rows: next.shape.rows, columns: last.shape.columns),
                    stages: last.terms[0] + next.terms[0])
            } else {
                joined.append(step)
            }
        }
        return joined.count == 1 ? joined[0] : PreparedSequence(shape: shape, steps: joined)
    }

    init(shape: MatrixShape, steps: [any PreparedProduct]) {
        self.shape = shape
        self.steps = steps
        widest = steps.dropLast().map(\.shape.rows).max() ?? 0
    }

    var byteCount: Int { steps.reduce(0) { $0 + $1.byteCount } }
    func scratchFloats(batch: Int) -> Int {
        let rows = min(batch, Self.tile)
        return 2 * rows * widest + (steps.map { $0.scratchFloats(batch: rows) }.max() ?? 0)
    }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let between = 2 * min(input.rows, Self.tile) * widest
        for first in stride(from: 0, to: input.rows, by: Self.tile) {
            let rows = first..<min(input.rows, first + Self.tile)
            // Nobody may still be reading what the tile before left.
            if first > 0 { worker.barrier() }
            var source = input.rows(rows)
            for (index, step) in steps.enumerated() {
                let isLast = index == steps.count - 1
                let target =
                    isLast
                    ? output.rows(rows)
                    : MutableMatrixView(
                        base: scratch + index % 2 * rows.count * widest, rows: rows.count, columns: step.shape.rows)
                step.apply(source, into: target, scratch: scratch + between, worker: worker)
                if !isLast { worker.barrier() }
                source = target.readable
            }
        }
    }
}

/// A prepared product between steps over the features of its inputs and outputs.
struct PreparedWrapping: PreparedProduct {
    private let inner: any PreparedProduct
    private let before: FeatureStep?
    private let after: FeatureStep?
    private let ownBytes: Int

    init(_ inner: any PreparedProduct, before: FeatureStep?, after: FeatureStep?, ownBytes: Int) {
        self.inner = inner
        self.before = before
        self.after = after
        self.ownBytes = ownBytes
    }

    var shape: MatrixShape { inner.shape }
    var byteCount: Int { inner.byteCount + ownBytes }
    private func floats(_ step: FeatureStep?, _ batch: Int, _ columns: Int) -> Int { step == nil ? 0 : batch * columns }
    func scratchFloats(batch: Int) -> Int {
        floats(before, batch, shape.columns) + floats(after, batch, shape.rows) + inner.scratchFloats(batch: batch)
    }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let batch = input.rows
        let share = worker.share(of: batch)
        let entering = MutableMatrixView(base: scratch, rows: batch, columns: shape.columns)
        let leaving = MutableMatrixView(
            base: scratch + floats(before, batch, shape.columns), rows: batch, columns: shape.rows)
        if let before {
            before.apply(input, into: entering, rows: share)
            worker.barrier()
        }
        inner.apply(
            before == nil ? input : entering.readable, into: after == nil ? output : leaving,
            scratch: leaving.base + floats(after, batch, shape.rows), worker: worker)
        if let after {
            worker.barrier()
            after.apply(leaving.readable, into: output, rows: share)
        }
    }
}
