import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// The matrix as it is, in the run's precision: what every other candidate competes with.
public struct DenseCandidates: CandidateSource {
    public init() {}

    public var family: Family { Dense.family }
    public var optionNames: Set<String> { [] }

    /// The weight, its stored form, and rows of the error with one Gram matrix in `Double`.
    public func workingBytes(_ shape: MatrixShape, isWeighted: Bool) -> Int {
        12 * shape.count + 24 * min(shape.rows, 1024) * shape.columns + (isWeighted ? 8 * shape.columns * shape.columns : 0)
    }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        [Candidate(family: family.name)]
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        Cost(
            parameters: shape.count, storedBytes: shape.count * precision.elementType.byteCount, multiplyAdds: shape.count)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        return Dense(generator.factor([shape.rows, shape.columns], inner: shape.columns, precision))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        let matrix = Dense(context.weight, precision: context.fit.precision)
        let error = try context.objective.error(of: matrix.dense(), for: context.weight, name: context.site.name)
        return AnyFit(matrix: matrix, relativeError: error, trace: [error])
    }
}
