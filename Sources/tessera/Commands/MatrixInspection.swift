import Analysis
import Compression
import Fitting
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// What `inspect` says of one matrix.
struct MatrixInspection: Sendable {
    let site: MatrixSite
    /// "dense F16", "low-rank rank=96 F32", "quantized bits=4 groupSize=64".
    let storage: String
    let family: String
    let attributes: [String: Int]
    let elementTypes: [ElementType]
    let cost: Cost
    /// Nil for tables too tall to decompose in passing.
    let spectrum: SpectrumSummary?
    /// What two families would make of a dense matrix; nil for one that is compressed already.
    let trials: Trials?

    struct Trials: Sendable {
        /// Largest rank of half the dense parameters, and the squared error of the best matrix of that rank relative to
        /// the weight's own; nil without a spectrum.
        let halfRank: (rank: Int, relativeError: Double)?
        /// Groups of 64 integers of 4 bits, scales searched; its squared relative error.
        let fourBits: (bytes: Int, relativeError: Double)
    }

    /// Taller matrices have no spectrum computed.
    static let spectrumRowLimit = 8192

    /// The Frobenius norm judges: what the inputs of the matrix are like is not known here.
    /// - Throws: `LinearAlgebraError`, `FittingError`, `TensorError`, `CommandError.notFinite`.
    init(_ site: MatrixSite, _ matrix: any StructuredMatrix, model: String, context: ExecutionContext) throws {
        self.site = site
        family = matrix.family.name
        attributes = matrix.attributes.values
        cost = matrix.cost
        var types: [ElementType] = []
        for (_, tensor) in try matrix.tensors where !types.contains(tensor.elementType) { types.append(tensor.elementType) }
        elementTypes = types
        let precisions = types.filter(\.isFloatingPoint).map(\.rawValue)
        // Codes of integers come with scales in F16: saying so of every quantized matrix would say nothing.
        storage = ([MatrixDescription(matrix).text] + (types.allSatisfy(\.isFloatingPoint) ? precisions : [])).joined(separator: " ")

        let weight = matrix.dense()
        guard weight.isFinite else { throw CommandError.notFinite(model: model, what: "matrix '\(site.name)'") }
        let spectrum = site.shape.rows > Self.spectrumRowLimit || weight.count == 0 ? nil : try SpectrumSummary(weight)
        self.spectrum = spectrum
        guard matrix is Dense, weight.count > 0 else {
            trials = nil
            return
        }
        let rank = max(1, site.shape.count / 2 / (site.shape.rows + site.shape.columns))
        let fourBits = try QuantizedFitter(bits: 4).fit(
            weight, objective: .frobenius, size: .fraction(1), context: FitContext(name: site.name, execution: context))
        trials = Trials(
            halfRank: spectrum.map { (rank, max(0, 1 - $0.energy(rank: rank))) },
            fourBits: (fourBits.matrix.cost.storedBytes, fourBits.relativeError))
    }

    /// What could compress it, in words.
    var advice: String {
        guard trials != nil else {
            return family == Dense.family.name ? "empty" : "compressed already"
        }
        guard let spectrum else {
            return "quantized; spectrum skipped, over \(Self.spectrumRowLimit) rows"
        }
        if spectrum.rank99 > spectrum.breakEvenRank { return "quantized; smooth families do not pay here" }
        let share = Double(spectrum.rank99) / Double(max(1, spectrum.breakEvenRank))
        return "quantized, or low-rank: 99 % of the energy at \(FigureText.percent(share)) of the parameters"
    }

    static let columns: [TerminalTable.Column] = [
        .init("matrix", wraps: true), .init("rows x columns", .right), .init("stored as", wraps: true),
        .init("bytes", .right), .init("90 %", .right), .init("99 %", .right), .init("effective", .right),
        .init("stable", .right), .init("break-even", .right), .init("low-rank 50 %", .right), .init("int4", .right),
        .init("what could compress it", wraps: true),
    ]

    var cells: [String] {
        let none = FigureText.absent
        let ranks = spectrum.map {
            [
                "\($0.rank90)", "\($0.rank99)", FigureText.fixed($0.effectiveRank, decimals: 1),
                FigureText.fixed($0.stableRank, decimals: 1), "\($0.breakEvenRank)",
            ]
        }
        return [site.name, site.shape.description, storage, FigureText.grouped(cost.storedBytes)]
            + (ranks ?? Array(repeating: none, count: 5)) + [
                trials?.halfRank.map { FigureText.fixed($0.relativeError, decimals: 4) } ?? none,
                trials.map { FigureText.fixed($0.fourBits.relativeError, decimals: 4) } ?? none, advice,
            ]
    }

    var document: JSONValue {
        var attributes = JSONObject()
        for (name, value) in self.attributes.sorted(by: { $0.key < $1.key }) { attributes[name] = JSONValue(value) }
        return [
            "name": .string(site.name), "role": .string(site.role.rawValue),
            "shape": [JSONValue(site.shape.rows), JSONValue(site.shape.columns)],
            "family": .string(family), "attributes": .object(attributes),
            "element_types": .array(elementTypes.map { .string($0.rawValue) }),
            "parameters": JSONValue(cost.parameters), "bytes": JSONValue(cost.storedBytes),
            "multiply_adds": JSONValue(cost.multiplyAdds),
            "spectrum": spectrum.map { spectrum in
                [
                    "rank_90": JSONValue(spectrum.rank90), "rank_99": JSONValue(spectrum.rank99),
                    "effective_rank": JSONValue(spectrum.effectiveRank), "stable_rank": JSONValue(spectrum.stableRank),
                    "break_even_rank": JSONValue(spectrum.breakEvenRank),
                ]
            } ?? .null,
            "low_rank_half": trials?.halfRank.map {
                ["rank": JSONValue($0.rank), "relative_error": JSONValue($0.relativeError)]
            } ?? .null,
            "int4": trials.map {
                ["bytes": JSONValue($0.fourBits.bytes), "relative_error": JSONValue($0.fourBits.relativeError)]
            } ?? .null,
            "advice": .string(advice),
        ]
    }
}
