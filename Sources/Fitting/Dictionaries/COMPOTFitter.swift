import StructuredMatrices
import Tensors

/// As CoSpaDi with an orthonormal dictionary of the whitened weight: thresholds and Procrustes rotations in turn. The
/// quickest of the dictionary fitters.
public struct COMPOTFitter: Fitter {
    public static let method = FittingMethod(
        name: "compot", family: MatrixProduct.family, objectives: [.frobenius, .activations],
        summary: "sparse codes times a dictionary that is orthonormal on the whitened weight",
        source: "COMPOT, arXiv 2602.15200")

    public static let defaultSweeps = 20

    /// Atoms for every one that a row uses.
    public var ratio: Double
    public var sweeps: Int

    public init(ratio: Double = 2, sweeps: Int = COMPOTFitter.defaultSweeps) {
        self.ratio = ratio
        self.sweeps = sweeps
    }

    /// Cost of a sweep: one `Double` SVD of an atoms x columns matrix.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixProduct> {
        let problem = try DictionaryProblem(
            weight, objective: objective, size: size, pattern: .rows, ratio: ratio, fitter: Self.method.name, context: context)
        let found = try problem.orthogonal(sweeps: sweeps, limit: sweeps)
        return try problem.finished(found.codes, mask: found.mask, trace: found.trace)
    }
}
