import Benchmarking
import StructuredMatrices
import Tensors

extension MatrixComparison {
    /// Multiplies with the fits of one size and with the dense matrix in turns, size after size and batch after batch.
    func time(
        _ result: inout Result, dense: Dense, context: ExecutionContext,
        progress: @Sendable (CompressionProgress) -> Void
    ) throws {
        let options = PreparationOptions(activations: activations)
        let yardstick = dense.prepared(options)
        var denseTimes = [[Double]](repeating: [], count: batches.count)
        let total = sizes.count * batches.count
        var done = 0
        for size in sizes {
            let places = result.rows.indices.filter {
                result.rows[$0].size == size && result.rows[$0].outcome.fitted != nil
            }
            let products = places.compactMap { result.rows[$0].outcome.fitted?.matrix.prepared(options) }
            for (index, batch) in batches.enumerated() {
                progress(CompressionProgress(stage: "timing", done: done, total: total))
                done += 1
                let timing = contest([yardstick] + products, batch: batch, context: context)
                denseTimes[index].append(timing.time(0).median)
                for (place, contestant) in zip(places, 1...) {
                    guard case .fitted(var fitted) = result.rows[place].outcome else { continue }
                    fitted.times.append(
                        ProductTime(
                            seconds: timing.time(contestant).median, timesDense: timing.speedup(contestant).median,
                            isSlower: timing.verdict(contestant) == .slower))
                    result.rows[place].outcome = .fitted(fitted)
                }
            }
        }
        progress(CompressionProgress(stage: "timing", done: total, total: total))
        // Every size has its own turns with dense; what is shown of dense alone is their median.
        result.denseSeconds = denseTimes.map { InterleavedTiming.Spread($0).median }
    }

    private func contest(
        _ products: [any PreparedProduct], batch: Int, context: ExecutionContext
    ) -> InterleavedTiming {
        var generator = SeededGenerator(seed: seed, stream: "inputs")
        let input = Matrix.random(rows: batch, columns: products[0].shape.columns, using: &generator)
        let contestants = products.map { TimedProduct([$0], input: input) }
        let turn = secondsPerProduct / 20
        let repetitions = contestants.map { $0.repetitions(forSeconds: turn, context: context) }
        let rounds = InterleavedTiming.Rounds(least: 7, most: 41, seconds: secondsPerProduct)
        return InterleavedTiming(contestants: contestants.count, rounds: rounds) {
            contestants[$0].seconds(repetitions: repetitions[$0], context: context)
        }
    }
}
