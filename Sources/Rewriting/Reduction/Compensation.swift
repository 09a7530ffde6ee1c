import LinearAlgebra
import Tensors

/// What is done to the matrix that read removed units, so that its outputs change least on the calibration tokens.
public enum Compensation: String, Sendable, CaseIterable {
    /// The columns go, nothing else changes.
    case none
    /// The removed inputs are replaced by their means: a constant that joins the bias (FLAP, arXiv 2312.11983).
    case bias
    /// The kept columns take over what is linear in the kept inputs: W C[:,J] C[J,J]^-1 (Nystrom, MoDeGPT type I,
    /// arXiv 2408.09632; equal to the updates of ZipLM, arXiv 2302.04089).
    case leastSquares = "least-squares"
    /// Both at once, by the covariance in place of the second moments: the least error of any affine map.
    case affine

    /// The matrix that reads kept inputs alone.
    public struct Result: Sendable {
        /// Which inputs are left, ascending.
        public let inputs: [Int]
        /// outputs x kept inputs.
        public let weight: DoubleMatrix
        /// What is added to the outputs, for the bias; nil where nothing is.
        public let offset: [Double]?

        public init(inputs: [Int], weight: DoubleMatrix, offset: [Double]?) {
            self.inputs = inputs
            self.weight = weight
            self.offset = offset
        }
    }

    /// Share of the mean diagonal that is added to the moments before they are inverted.
    public static let defaultRidge = 1e-4

    /// Cost: k^3 / 3 + 2 n k^2 multiply-adds for k kept of n inputs, with least squares.
    /// - Throws: `RewritingError.keepsNothing`, `LinearAlgebraError`.
    public func apply(
        to part: ReducedPart, keeping units: [Int], relativeRidge: Double = Compensation.defaultRidge
    ) throws -> Result {
        guard !units.isEmpty, units.allSatisfy({ (0..<part.units).contains($0) }), Set(units).count == units.count else {
            throw RewritingError.keepsNothing(part: part.name, kept: units.count, of: part.units)
        }
        let kept = part.inputs(of: units)
        let plain = part.weight.columns(kept)
        switch self {
        case .none:
            return Result(inputs: kept, weight: plain, offset: nil)
        case .bias:
            return Result(inputs: kept, weight: plain, offset: Self.offset(part, kept, plain))
        case .leastSquares:
            let weight = try Self.solve(part, kept, part.moments.second, relativeRidge)
            return Result(inputs: kept, weight: weight, offset: nil)
        case .affine:
            let weight = try Self.solve(part, kept, part.moments.covariance, relativeRidge)
            return Result(inputs: kept, weight: weight, offset: Self.offset(part, kept, weight))
        }
    }

    /// W E[x] - W' E[x_kept].
    private static func offset(_ part: ReducedPart, _ kept: [Int], _ weight: DoubleMatrix) -> [Double] {
        let mean = part.moments.mean
        return (0..<part.weight.rows).map { row in
            var sum = 0.0
            for column in 0..<part.weight.columns { sum += part.weight[row, column] * mean[column] }
            for (position, input) in kept.enumerated() { sum -= weight[row, position] * mean[input] }
            return sum
        }
    }

    /// argmin over W' of E |W x - W' x_J|^2 + ridge |W' - W_J|^2: the ridge pulls towards the columns as they were, so that
    /// directions without evidence stay.
    private static func solve(
        _ part: ReducedPart, _ kept: [Int], _ moments: DoubleMatrix, _ relativeRidge: Double
    ) throws -> DoubleMatrix {
        let staying = Set(kept)
        let gone = (0..<part.weight.columns).filter { !staying.contains($0) }
        let plain = part.weight.columns(kept)
        guard !gone.isEmpty else { return plain }
        // W' = W_J + W_R C[R,J] (C[J,J] + ridge)^-1.
        let inner = moments.columns(kept).rows(kept)
        let cross = moments.columns(kept).rows(gone)
        let share = try solvePositive(inner, cross.transposed(), relativeRidge: relativeRidge)
        return plain + part.weight.columns(gone).multiplied(by: share, transposeOther: true)
    }
}

extension DenseMatrix {
    /// The given columns, in that order.
    func columns(_ indices: [Int]) -> Self {
        Self(rows: rows, columns: indices.count) { self[$0, indices[$1]] }
    }

    /// The given rows, in that order.
    func rows(_ indices: [Int]) -> Self {
        Self(rows: indices.count, columns: columns) { self[indices[$0], $1] }
    }
}
