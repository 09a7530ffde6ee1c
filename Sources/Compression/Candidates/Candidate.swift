import Fitting
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// One way to keep a matrix: a family and the sizes that fix its cost.
public struct Candidate: Sendable, Hashable {
    /// The source's name: that of its family, or of a composition ("sparse-low-rank").
    public let family: String
    /// The source's own integers: rank, bits, group size, block counts, size in thousandths.
    public let options: [String: Int]

    public init(family: String, options: [String: Int] = [:]) {
        self.family = family
        self.options = options
    }

    /// "low-rank rank=96": the name in journals, plans and reports.
    public var label: String {
        ([family] + options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }).joined(separator: " ")
    }

    subscript(option: String) -> Int { options[option] ?? 0 }
}

/// A candidate with what it costs and how far from the weight it is.
public struct AssessedCandidate: Sendable, Equatable {
    public let candidate: Candidate
    public let cost: Cost
    /// Squared error relative to the weight's own size, in [0, 1] but for rounding and for fits that do harm.
    public let relativeError: Double

    public init(candidate: Candidate, cost: Cost, relativeError: Double) {
        self.candidate = candidate
        self.cost = cost
        self.relativeError = relativeError
    }

    init(_ fit: AnyFit, as candidate: Candidate) {
        self.init(candidate: candidate, cost: fit.matrix.cost, relativeError: fit.relativeError)
    }

    /// As a journal record.
    var json: JSONValue {
        [
            "cost": [.integer(Int64(cost.parameters)), .integer(Int64(cost.storedBytes)), .integer(Int64(cost.multiplyAdds))],
            "error": .number(relativeError),
        ]
    }

    init?(_ candidate: Candidate, json: JSONValue?) {
        guard let json, let numbers = json["cost"]?.arrayValue?.compactMap(\.intValue), numbers.count == 3,
            let error = json["error"]?.doubleValue
        else { return nil }
        self.init(
            candidate: candidate,
            cost: Cost(parameters: numbers[0], storedBytes: numbers[1], multiplyAdds: numbers[2]), relativeError: error)
    }
}

/// What a fit needs to know of its place.
public struct CandidateContext: Sendable {
    public let site: MatrixSite
    public let weight: Matrix
    /// What the fit makes small.
    public let objective: Objective
    /// What the result is judged by: the same norm, over inputs that the fit has not seen.
    public let assessment: Objective
    public let fit: FitContext
    /// Of all places with their weights and objectives; nil where nothing is kept.
    let factorisations: KeptFactorisations?

    public init(
        site: MatrixSite, weight: Matrix, objective: Objective, assessment: Objective? = nil, fit: FitContext,
        factorisations: KeptFactorisations? = nil
    ) {
        self.site = site
        self.weight = weight
        self.objective = objective
        self.assessment = assessment ?? objective
        self.fit = fit
        self.factorisations = factorisations
    }

    /// The fit with its error under the assessment objective.
    func assessed(_ fit: AnyFit) throws -> AnyFit {
        let error = try assessment.error(of: fit.matrix, for: weight, name: site.name)
        return AnyFit(matrix: fit.matrix, relativeError: error, trace: fit.trace)
    }
}

extension Fitter {
    /// The fit at a place.
    func fitAny(_ place: CandidateContext, size: SizeBudget) throws -> AnyFit {
        try fitAny(place.weight, objective: place.objective, size: size, context: place.fit)
    }
}

/// Where a family's candidates come from. One for each family that compression may choose.
public protocol CandidateSource: Sendable {
    var family: Family { get }

    /// What `--families`, plans and reports call the candidates; the family's name but for compositions, of which one
    /// family holds several.
    var name: String { get }

    /// The names of the integers that every candidate of the family has.
    var optionNames: Set<String> { get }

    /// The option that bytes and multiply-adds are proportional to where the others stay: times at some of its values
    /// tell the times between. Nil where every candidate has to be timed itself.
    var sizeOption: String? { get }

    /// Whether the family can lower the quantity at all (quantization saves bytes, not multiply-adds); all of them where a
    /// source says nothing.
    func serves(_ quantity: Budget.Quantity) -> Bool

    /// Slow fits are made only near the sizes that a first allocation with the quick families chose.
    var isSlow: Bool { get }

    /// Whether the family at its best halves low-rank's error at a size, so that where low-rank is hopeless a slow fit need
    /// not be tried. Forms that keep single weights are close where low-rank is not.
    var followsLowRank: Bool { get }

    /// Whether `assess` shares work between sizes, so that all sizes of a matrix are one task; otherwise each is one of
    /// its own, and a large matrix does not keep one thread busy while the others wait.
    var sharesWork: Bool { get }

    /// Whether the family takes part without being named in `--families`.
    var isDefault: Bool { get }

    /// The same under a budget of this quantity.
    /// - Parameter inBatches: whether every product has many rows of input at once, as an encoder's have.
    func isDefault(for quantity: Budget.Quantity, inBatches: Bool) -> Bool

    /// Bytes of memory that a fit (and its assessment) takes at most, with everything it is given.
    /// - Parameter isWeighted: whether by Gram matrices, of which one at a time is in memory.
    func workingBytes(_ shape: MatrixShape, isWeighted: Bool) -> Int

    /// The grid of candidates for a site, in order of size; empty where the family cannot represent the shape.
    func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate]

    /// What a candidate will cost, without fitting it; exact.
    func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost

    /// A matrix of the candidate's form with random numbers in it, for timing.
    func specimen(_ candidate: Candidate, shape: MatrixShape, precision: Precision) throws -> any StructuredMatrix

    /// Fits one candidate.
    func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit

    /// Whether `polished` is closer than `fit`.
    var polishes: Bool { get }

    /// Fits one candidate that was chosen: worth more time than the hundreds of fits that choices are compared by.
    /// - Parameter start: what `fit` makes of it.
    func polished(
        _ candidate: Candidate, from start: () throws -> AnyFit, _ context: CandidateContext
    ) throws -> AnyFit

    /// Fits several candidates of one matrix; sources that share work between sizes override it, and say so by
    /// `sharesWork`.
    /// - Parameter fitted: told of fits that `fit` would make again, with their errors by the assessment objective.
    func assess(
        _ candidates: [Candidate], _ context: CandidateContext, fitted: (Candidate, AnyFit) -> Void
    ) throws -> [AssessedCandidate]
}

extension CandidateSource {
    public var name: String { family.name }
    public var isSlow: Bool { false }
    public var followsLowRank: Bool { true }
    public var sharesWork: Bool { false }
    public var isDefault: Bool { true }
    public func isDefault(for quantity: Budget.Quantity, inBatches: Bool) -> Bool { isDefault }
    public var sizeOption: String? { nil }
    public var polishes: Bool { false }

    public func polished(
        _ candidate: Candidate, from start: () throws -> AnyFit, _ context: CandidateContext
    ) throws -> AnyFit {
        try start()
    }

    public func serves(_ quantity: Budget.Quantity) -> Bool { true }

    /// What a candidate will cost at its place.
    func cost(of candidate: Candidate, at place: CandidateContext) -> Cost {
        cost(of: candidate, shape: place.site.shape, precision: place.fit.precision)
    }

    /// The weight in `Float`, and in `Double` six of its size and five Gram matrices: more than any fitter was seen to take.
    public func workingBytes(_ shape: MatrixShape, isWeighted: Bool) -> Int {
        52 * shape.count + (isWeighted ? 40 * shape.columns * shape.columns : 0)
    }

    /// A fit of random numbers, unless a source has a cheaper way.
    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        let name = candidate.label
        var generator = SeededGenerator(seed: 0, stream: name)
        let context = CandidateContext(
            site: MatrixSite(name: name, shape: shape, role: .linear, input: nil),
            weight: .random(rows: shape.rows, columns: shape.columns, using: &generator), objective: .frobenius,
            fit: FitContext(name: name, precision: precision))
        return try fit(candidate, context).matrix
    }

    public func assess(
        _ candidates: [Candidate], _ context: CandidateContext, fitted: (Candidate, AnyFit) -> Void
    ) throws -> [AssessedCandidate] {
        try candidates.map { candidate in
            let fit = try context.assessed(fit(candidate, context))
            fitted(candidate, fit)
            return AssessedCandidate(fit, as: candidate)
        }
    }
}

/// Every source there is; `--families` chooses among them by name.
public enum CandidateSources {
    public static let all: [any CandidateSource] = [
        DenseCandidates(),
        QuantizedCandidates(),
        TritPlaneCandidates(),
        LowRankCandidates(),
        BlockDiagonalCandidates(),
        BlockShuffleCandidates(),
        BlockDenseCandidates(),
        MonarchCandidates(),
        BLASTCandidates(),
        NMSparseCandidates(),
        SparseRowsCandidates(),
        AsymmetricQuantizedCandidates(),
        NormalFloatCandidates(),
        GroupSparseCandidates(),
        SparseLowRankCandidates(),
        NMLowRankCandidates(),
        QuantizedLowRankCandidates(),
        DictionaryCandidates(),
        ARMORCandidates(),
        QuantizedFactorsCandidates(),
        KroneckerCandidates(),
        TuckerCandidates(),
        HouseholderCandidates(),
        PermutedBlockDiagonalCandidates(),
        BlockCirculantCandidates(),
        ToeplitzCandidates(),
        LDUCandidates(),
        InterpolativeCandidates(),
        ProductQuantizedCandidates(),
        RotatedProductCandidates(),
        SharedRowsCandidates(),
        IntervalPatchCandidates(),
        ButterflyCandidates(),
    ]

    public static var names: [String] { all.map(\.name) }

    /// The source of a name; nil where there is none.
    static func find(_ name: String) -> (any CandidateSource)? { all.first { $0.name == name } }

    /// - Throws: `CompressionError.unknownFamily`.
    static func source(_ name: String) throws -> any CandidateSource {
        guard let source = find(name) else { throw CompressionError.unknownFamily(name: name, known: names) }
        return source
    }

    /// The sources of the named families, "dense" always among them; for an empty list those that are default under one of
    /// the quantities (`CandidateSource.isDefault(for:inBatches:)`).
    /// - Throws: `CompressionError.unknownFamily`.
    public static func named(
        _ names: [String], quantities: [Budget.Quantity] = Budget.Quantity.allCases, inBatches: Bool
    ) throws -> [any CandidateSource] {
        for name in names { _ = try source(name) }
        return all.filter { source in
            let name = source.name
            let isWanted = names.isEmpty
                ? quantities.contains { source.isDefault(for: $0, inBatches: inBatches) } : names.contains(name)
            return isWanted || name == Dense.family.name
        }
    }
}
