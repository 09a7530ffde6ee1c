import Benchmarking
import Fitting
import StructuredMatrices
import Synchronization
import Tensors
import Transformers

/// One method at one size over all the matrices of a calibrated model.
public struct ModelFits: Sendable {
    /// A fitted matrix, in the order of the sites.
    public struct Matrix: Sendable {
        public let site: MatrixSite
        public let matrix: any StructuredMatrix
        /// Relative squared errors, by the objectives that were asked for.
        public let errors: [Double]
        public let seconds: Double
        /// Relative squared errors before the first sweep and after each one.
        public let trace: [Double]
        /// What made the objective small where the method could not itself; nil where nothing did.
        public let refinement: String?
    }

    public let matrices: [Matrix]
    /// Of all fits together.
    public let seconds: Double
    /// Bytes that fitting the largest matrix took at its peak, alone in the process; nil where the system does not tell.
    public let peakMemory: Int?

    /// The largest matrix is fitted first, alone and on all threads, so that its peak of memory can be told; then the others
    /// side by side on a thread each, the largest first. The results do not depend on the threads.
    /// - Parameters:
    ///   - deadline: when to give up, looked at between matrices and between the sweeps of a fit that sweeps.
    ///   - journal: of a run that may be killed; matrices that it holds are not fitted again.
    /// - Throws: what the method throws for the first matrix that it refuses; `CompressionError.notFinite`;
    ///   `FittingError.cancelled`.
    public init(
        _ method: SizedMethod, size: SizeShare, of model: CalibratedModel, objective: Objective.Kind,
        errors kinds: [Objective.Kind], precision: Precision, seed: UInt64, context: ExecutionContext,
        deadline: ContinuousClock.Instant? = nil, journal: Journal? = nil,
        progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
    ) throws {
        let known = try model.sites.map { try journal?.fitted($0) }
        let order = model.sites.indices.filter { known[$0] == nil }.sorted {
            (-model.sites[$0].shape.count, $0) < (-model.sites[$1].shape.count, $1)
        }
        let fit = { @Sendable (index: Int, execution: ExecutionContext) throws -> Matrix in
            let site = model.sites[index]
            let isCancelled = { @Sendable in deadline.map { ContinuousClock.now > $0 } ?? false }
            if isCancelled() { throw FittingError.cancelled(matrix: site.name) }
            let target = try model.required(objective, of: site)
            let weight = try model.weight(of: site)
            let place = FitContext(name: site.name, seed: seed, precision: precision, execution: execution, isCancelled: isCancelled)
            let clock = ContinuousClock()
            let start = clock.now
            let fit = try method.fit(weight, objective: target, size: size.budget(for: site.shape), context: place)
            let seconds = start.duration(to: clock.now).inSeconds
            let dense = fit.matrix.dense()
            guard dense.isFinite else { throw CompressionError.notFinite(matrix: site.name, what: "the fit") }
            let errors = try kinds.compactMap { try model.objective($0, of: site) }.map {
                try $0.error(of: dense, for: weight, name: site.name)
            }
            let fitted = Matrix(
                site: site, matrix: fit.matrix, errors: errors, seconds: seconds, trace: fit.trace,
                refinement: fit.refinement)
            try journal?.keep(fitted)
            return fitted
        }
        let clock = ContinuousClock()
        let start = clock.now
        guard let largest = order.first else {
            (matrices, seconds, peakMemory) = (known.compactMap { $0 }, 0, nil)
            return
        }
        let (total, found) = (known.count, known.count - order.count)
        let alone = try ResidentMemory.growth { try fit(largest, context) }
        try progress(found + 1, total)
        let others = Array(order.dropFirst())
        let rest = try context.parallelMap(others.count, progress: { done, _ in try progress(found + 1 + done, total) }) {
            try fit(others[$0], .serial)
        }
        seconds = start.duration(to: clock.now).inSeconds
        peakMemory = alone.bytes
        var all = known
        for (index, fitted) in zip(order, [alone.value] + rest) { all[index] = fitted }
        matrices = all.compactMap { $0 }
    }

    /// What all the matrices cost together.
    public var cost: Cost {
        matrices.reduce(into: Cost(parameters: 0, storedBytes: 0, multiplyAdds: 0)) { sum, fitted in
            let cost = fitted.matrix.cost
            sum.parameters += cost.parameters
            sum.storedBytes += cost.storedBytes
            sum.multiplyAdds += cost.multiplyAdds
        }
    }
}
