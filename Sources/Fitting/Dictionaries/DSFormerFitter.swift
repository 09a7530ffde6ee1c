import StructuredMatrices
import Tensors

/// Rows of the weight as sums of atoms of a small dense basis, N of every M consecutive atoms each: codes in the semi-
/// structured form that fast kernels read. Alternating least squares from the orthonormal dictionary of COMPOT.
public struct DSFormerFitter: Fitter {
    public static let method = FittingMethod(
        name: "dsformer", family: MatrixProduct.family, objectives: [.frobenius, .activations],
        summary: "N:M sparse codes times a small dense basis, by alternating least squares",
        source: "DSFormer, arXiv 2312.13211")

    /// Atoms of a group: 4, 8 or 16; nil takes 16 where the basis has several such groups, else 4.
    public var group: Int?
    /// Of the atoms of a group, how many a row uses; nil takes half.
    public var kept: Int?
    public var sweeps: Int
    /// A sweep that lowers the error by less than this share of it is the last.
    public var tolerance: Double

    public init(group: Int? = nil, kept: Int? = nil, sweeps: Int = 20, tolerance: Double = 5e-4) {
        self.group = group
        self.kept = kept
        self.sweeps = sweeps
        self.tolerance = tolerance
    }

    /// Fewer atoms than this leave a choice too coarse for groups of 16.
    private static let atomsForWideGroups = 64

    /// Cost of a sweep: as CoSpaDi's.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixProduct> {
        try fit(weight, objective: objective, size: size, context: context, straightThroughRounds: 0)
    }

    /// As above, and from there by so many rounds of the straight-through factorizer.
    func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext, straightThroughRounds rounds: Int
    ) throws -> Fit<MatrixProduct> {
        func problem(_ group: Int) throws -> DictionaryProblem {
            let kept = kept ?? group / 2
            // Atoms are counted in groups, so that the pattern always divides them.
            try SparseForm.groups(kept: kept, of: group).check(
                shape: MatrixShape(rows: 1, columns: group), fitter: Self.method.name, matrix: context.name)
            return try DictionaryProblem(
                weight, objective: objective, size: size, pattern: .groups(kept: kept, of: group), fitter: Self.method.name,
                context: context)
        }
        var chosen: DictionaryProblem
        if let group {
            chosen = try problem(group)
        } else {
            chosen = try problem(4)
            if kept == nil, chosen.size.atoms >= Self.atomsForWideGroups { chosen = try problem(16) }
        }
        let limit = COMPOTFitter.defaultSweeps + sweeps + rounds
        let start = try chosen.orthogonal(sweeps: COMPOTFitter.defaultSweeps, limit: limit)
        let first = try chosen.finished(start.codes, mask: start.mask, trace: start.trace)
        let found = try chosen.straightThrough(
            chosen.pursued(start, sweeps: sweeps, tolerance: tolerance, limit: limit), rounds: rounds, limit: limit)
        let last = try chosen.finished(found.codes, mask: found.mask, trace: found.trace)
        return last.relativeError <= first.relativeError ? last : first
    }
}
