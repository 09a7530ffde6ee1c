import LinearAlgebra
import StructuredMatrices
import Tensors

/// Several matrices with one factor in common: W_e ~ A_e B where they read the same inputs, W_e ~ B A_e where they write the
/// same outputs (Mixture of Latent Experts, arXiv 2503.23100).
public struct SharedProjection: Sendable {
    public enum Side: String, Sendable, CaseIterable {
        /// B reads the inputs, l x columns.
        case input
        /// B writes the outputs, rows x l.
        case output
    }

    public let side: Side
    public let shared: Matrix
    /// A_e: rows x l, or l x columns.
    public let experts: [Matrix]
    /// Squared error of all experts relative to their size, each weighted as it was asked for.
    public let relativeError: Double

    /// l.
    public var latent: Int { side == .input ? shared.rows : shared.columns }
    public var parameters: Int { shared.count + experts.reduce(0) { $0 + $1.count } }

    /// Expert `index` by itself.
    public func expert(_ index: Int) -> LowRank {
        side == .input
            ? LowRank(u: experts[index], v: shared) : LowRank(u: shared, v: experts[index])
    }
}

/// The best shared factor: the leading singular vectors of the experts' matrices on top of each other (or side by side), each
/// expert weighted by how often it is chosen and whitened by the moments of its inputs. One expert is plain low-rank.
public struct SharedProjectionFitter: Sendable {
    public var side: SharedProjection.Side
    /// l.
    public var latent: Int

    public init(side: SharedProjection.Side = .input, latent: Int) { (self.side, self.latent) = (side, latent) }

    /// - Parameters:
    ///   - experts: matrices of one shape.
    ///   - frequencies: how often each is chosen; nil counts all alike.
    ///   - moments: of each expert's inputs, or one for all; empty for Frobenius. On the input side the moments have to be
    ///     those of the common inputs, one for all.
    /// - Throws: `FittingError`, `LinearAlgebraError`. Cost: one `Double` SVD of all experts together.
    public func fit(
        _ experts: [Matrix], frequencies: [Double]? = nil, moments: [Gram] = [], context: FitContext = FitContext()
    ) throws -> SharedProjection {
        guard let first = experts.first else {
            throw FittingError.emptyWeight(matrix: context.name, shape: MatrixShape(rows: 0, columns: 0))
        }
        let shape = MatrixShape(rows: first.rows, columns: first.columns)
        func wrong(_ option: String, _ expected: String, _ got: Int) -> FittingError {
            .invalidOption(fitter: "shared-projection", option: option, expected: expected, got: got)
        }
        let allowed = side == .input ? [0, 1] : [0, 1, experts.count]
        guard allowed.contains(moments.count) else {
            throw wrong("moments", allowed.map(String.init).joined(separator: " or "), moments.count)
        }
        if let frequencies, frequencies.count != experts.count {
            throw FittingError.fisherMismatch(
                matrix: context.name, side: "expert", expected: experts.count, got: frequencies.count)
        }
        if let index = frequencies?.firstIndex(where: { !$0.isFinite || $0 < 0 }) {
            throw FittingError.invalidFisherWeight(side: "expert", index: index)
        }
        for (index, expert) in experts.enumerated() {
            guard expert.rows == shape.rows, expert.columns == shape.columns else {
                throw FittingError.shapeMismatch(
                    matrix: context.name, expected: shape, got: MatrixShape(rows: expert.rows, columns: expert.columns))
            }
            let own = moments.isEmpty ? nil : moments[min(index, moments.count - 1)]
            try context.check(expert, own.map(Objective.activations) ?? .frobenius)
        }
        let most = side == .input ? min(shape.columns, shape.rows * experts.count) : min(shape.rows, shape.columns * experts.count)
        guard (1...most).contains(latent) else { throw wrong("latent", "1 to \(most)", latent) }

        let wide = experts.map { $0.converted(to: Double.self) }
        let whitened = try wide.enumerated().map { index, weight -> DoubleMatrix in
            var result = weight
            if !moments.isEmpty {
                result = weight.multiplied(by: try moments[min(index, moments.count - 1)].root().factor)
            }
            result.scale(by: (frequencies?[index] ?? 1).squareRoot())
            return result
        }
        // Both sides as one: the shared factor belongs to the columns of what is stacked.
        let stacked: DoubleMatrix
        switch side {
        case .input:
            stacked = DoubleMatrix(
                rows: shape.rows * experts.count, columns: shape.columns, elements: whitened.flatMap(\.elements))
        case .output:
            stacked = DoubleMatrix(
                rows: shape.columns * experts.count, columns: shape.rows,
                elements: whitened.flatMap { $0.transposed().elements })
        }
        let svd = try SingularValues(stacked)
        let total = svd.values.reduce(0) { $0 + $1 * $1 }
        let lost = svd.values.dropFirst(latent).reduce(0) { $0 + $1 * $1 }
        let basis = svd.truncated(to: latent).vt
        let (shared, parts): (DoubleMatrix, [DoubleMatrix])
        switch side {
        case .input:
            // A B = W L Q Q^T L^-1: B = Q^T L^-1, A = W L Q.
            shared = try moments.first.map { try $0.root().solveRight(basis) } ?? basis
            let root = try moments.first.map { try $0.root().factor }
            parts = wide.map { weight in
                (root.map { weight.multiplied(by: $0) } ?? weight).multiplied(by: basis, transposeOther: true)
            }
        case .output:
            shared = basis.transposed()
            parts = wide.map { basis.multiplied(by: $0) }
        }
        return SharedProjection(
            side: side, shared: shared.converted(to: Float.self), experts: parts.map { $0.converted(to: Float.self) },
            relativeError: total > 0 ? lost / total : 0)
    }
}
