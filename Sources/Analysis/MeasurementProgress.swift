import Tensors

/// Told, on the calling thread, how many of the pieces of a measurement are done; an error it throws ends the measurement.
public typealias MeasurementProgress = (_ done: Int, _ total: Int) throws -> Void

extension ExecutionContext {
    /// `parallelMap` that reports in between, after every few pieces for each thread.
    func parallelMap<Output: Sendable>(
        _ count: Int, progress: MeasurementProgress, _ body: @Sendable (Int) throws -> Output
    ) throws -> [Output] {
        var results: [Output] = []
        results.reserveCapacity(count)
        while results.count < count {
            let first = results.count
            results += try parallelMap(min(4 * threads, count - first)) { try body(first + $0) }
            try progress(results.count, count)
        }
        return results
    }
}
