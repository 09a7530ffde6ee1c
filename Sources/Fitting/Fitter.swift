import StructuredMatrices
import Tensors

/// A way to a structured matrix: dense weight, objective and size in, the matrix and the error reached out.
///
/// Fitters are values; their stored properties are the method's options. The same weight, objective, size,
/// options and seed give the same bits.
public protocol Fitter: Sendable {
    associatedtype Fitted: StructuredMatrix

    static var method: FittingMethod { get }

    /// The best member of the family that this method finds within `size`, never larger.
    /// - Parameter weight: rows (outputs) x columns (inputs).
    /// - Throws: `FittingError`; `LinearAlgebraError` when a factorisation does not converge.
    func fit(_ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext) throws -> Fit<
        Fitted
    >
}

extension Fitter {
    public var method: FittingMethod { Self.method }

    /// What an option must be instead.
    static func invalid(_ option: String, _ expected: String, _ got: Int) -> FittingError {
        .invalidOption(fitter: method.name, option: option, expected: expected, got: got)
    }

    /// Refuses options that no matrix in small integers has.
    static func checkIntegers(bits: Int, groupSize: Int) throws {
        guard Quantized.supportedBits.contains(bits) else { throw invalid("bits", Quantized.supportedBitsText, bits) }
        guard groupSize > 0 else { throw invalid("group size", "1 or more", groupSize) }
    }
}

/// What a fitting method is called, what it fits, and where it comes from. Help texts and tables read it from
/// here.
public struct FittingMethod: Sendable, Hashable {
    /// As in flags, plans and reports: "activation-svd".
    public let name: String
    /// The family it produces.
    public let family: Family
    /// The objectives it makes small. Every fitter accepts all and reports the error under the one it was given;
    /// `fitRefining` makes up for those that are missing here.
    public let objectives: [Objective.Kind]
    /// One line for help texts.
    public let summary: String
    /// Paper or "textbook".
    public let source: String

    public init(name: String, family: Family, objectives: [Objective.Kind], summary: String, source: String) {
        self.name = name
        self.family = family
        self.objectives = objectives
        self.summary = summary
        self.source = source
    }
}

/// A fitted matrix and how close it is.
public struct Fit<Fitted: StructuredMatrix>: Sendable {
    public let matrix: Fitted
    /// Squared error relative to the weight's own size under the objective, measured on the stored values.
    public let relativeError: Double
    /// Relative squared errors before the first sweep and after each one, in the fit's own arithmetic; a
    /// method without sweeps has one entry.
    public let trace: [Double]

    public var sweeps: Int { max(0, trace.count - 1) }

    public init(matrix: Fitted, relativeError: Double, trace: [Double]? = nil) {
        self.matrix = matrix
        self.relativeError = relativeError
        self.trace = trace ?? [relativeError]
    }

    /// Measures the error of `matrix` as it is stored.
    /// - Throws: as `Objective.error`.
    package init(
        measuring matrix: Fitted, for weight: Matrix, objective: Objective, context: FitContext,
        trace: [Double]? = nil
    ) throws {
        let error = try objective.error(of: matrix as any StructuredMatrix, for: weight, name: context.name)
        self.init(matrix: matrix, relativeError: error, trace: trace)
    }

    /// Forgets the family, for tables of candidates.
    public var erased: AnyFit { AnyFit(matrix: matrix, relativeError: relativeError, trace: trace) }
}

/// A fit of any family.
public struct AnyFit: Sendable {
    public let matrix: any StructuredMatrix
    public let relativeError: Double
    public let trace: [Double]
    /// What went on where the fitter could not make the objective small itself: "l-bfgs"; nil where nothing did.
    public let refinement: String?

    public init(
        matrix: any StructuredMatrix, relativeError: Double, trace: [Double], refinement: String? = nil
    ) {
        self.matrix = matrix
        self.relativeError = relativeError
        self.trace = trace
        self.refinement = refinement
    }
}

extension Fitter {
    /// `fit` with the family forgotten.
    public func fitAny(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext
    ) throws -> AnyFit {
        try fit(weight, objective: objective, size: size, context: context).erased
    }
}
