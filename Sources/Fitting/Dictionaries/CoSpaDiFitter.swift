import StructuredMatrices
import Tensors

/// Rows of the weight as sums of few atoms of a dense dictionary each, any atoms: sparse dictionary learning on the
/// whitened weight by orthogonal matching pursuit. Atoms are refitted all at once by least squares (the method of optimal
/// directions), which does in products of matrices what K-SVD does, or one after another as in K-SVD itself.
///
/// From COMPOT's orthonormal dictionary it is never worse than COMPOT.
public struct CoSpaDiFitter: Fitter {
    public static let method = FittingMethod(
        name: "cospadi", family: MatrixProduct.family, objectives: [.frobenius, .activations],
        summary: "sparse codes times a dense dictionary, by matching pursuit on the whitened weight",
        source: "CoSpaDi, arXiv 2509.22075")

    public enum Start: Sendable {
        /// COMPOT's dictionary: best on trained weights.
        case orthonormal
        /// Rows of the weight, drawn at random: where rows are known to be sums of few atoms that are not orthogonal.
        case rows
    }

    public enum Update: Sendable {
        /// Least squares for all: quickest, and as good on trained weights.
        case together
        /// K-SVD, with replacements of atoms that stand for two: where rows are sums of a handful of atoms.
        case atomByAtom
    }

    /// Atoms for every one that a row uses.
    public var ratio: Double
    public var start: Start
    public var update: Update
    public var sweeps: Int
    /// A sweep that lowers the error by less than this share of it is the last.
    public var tolerance: Double

    public init(
        ratio: Double = 2, start: Start = .orthonormal, update: Update = .together, sweeps: Int = 20, tolerance: Double = 5e-4
    ) {
        self.ratio = ratio
        self.start = start
        self.update = update
        self.sweeps = sweeps
        self.tolerance = tolerance
    }

    /// Cost of a sweep: rows atoms s^2 / 2 multiply-adds for codes of s atoms a row, and some 100 rows atoms^2.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixProduct> {
        let problem = try DictionaryProblem(
            weight, objective: objective, size: size, pattern: .rows, ratio: ratio, fitter: Self.method.name, context: context)
        let limit = COMPOTFitter.defaultSweeps + sweeps
        let start =
            self.start == .rows ? try problem.drawnRows() : try problem.orthogonal(sweeps: COMPOTFitter.defaultSweeps, limit: limit)
        let first = try problem.finished(start.codes, mask: start.mask, trace: start.trace)
        let found =
            switch update {
            case .together: try problem.pursued(start, sweeps: sweeps, tolerance: tolerance, limit: limit)
            case .atomByAtom: try problem.pursuedAtomByAtom(start, sweeps: sweeps, tolerance: tolerance, limit: limit)
            }
        let last = try problem.finished(found.codes, mask: found.mask, trace: found.trace)
        return last.relativeError <= first.relativeError ? last : first
    }
}
