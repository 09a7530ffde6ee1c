import StructuredMatrices
import Tensors
import Transformers

/// What a table says of one model: the time of its dense form, and of any choice of candidates.
///
/// The dense model is timed as a whole, and in turns with it all of its products. What they do not account
/// for (attention, norms, embeddings) is taken to stay as it is: time = rest + scale x sum of the products'
/// times, where the scale makes the sum over the dense products what they took together.
public struct LatencyPrediction: Sendable {
    public let table: LatencyTable
    public let workload: LatencyWorkload
    public let precision: Precision
    /// Of the dense model's products.
    public let modelBytes: Int
    public let modelKey: LatencyTable.ModelKey
    /// Nanoseconds of the dense model for one unit of work.
    public let dense: Double
    /// Nanoseconds of the dense model that are not its products'.
    public let rest: Double
    /// How many times longer products take in the model than by themselves.
    public let scale: Double
    /// How many times longer the selected matrices took in a compressed model than the table says; 1 where
    /// none was timed.
    public var correction = 1.0
    /// Nanoseconds of the dense products of each matrix that is multiplied, in the precision it has in the
    /// model.
    private let denseProducts: [String: Double]

    /// - Parameter missing: told what the table lacks.
    init?(
        table: LatencyTable, model: any TransformerModel, workload: LatencyWorkload, precision: Precision,
        modelBytes: Int,
        modelKey: LatencyTable.ModelKey, missing: (String) -> Void
    ) {
        guard let dense = table.models[modelKey] else {
            missing("the whole model")
            return nil
        }
        var products: [String: Double] = [:]
        for site in model.sites where site.isMultiplied {
            let key = ProductKey(
                candidate: Candidate(family: Dense.family.name), shape: site.shape,
                precision: model.storedPrecision(of: site, otherwise: precision), batch: workload.rows,
                modelBytes: modelBytes)
            guard let time = table.time(key) else {
                missing(
                    "a dense product of \(site.shape) in \(key.precision.rawValue) with \(workload.rows) rows"
                )
                return nil
            }
            products[site.name] = time.nanoseconds * workload.products
        }
        let sum = products.values.sorted().reduce(0, +)
        self.table = table
        self.workload = workload
        self.precision = precision
        self.modelBytes = modelBytes
        self.modelKey = modelKey
        self.dense = dense.nanoseconds
        rest = max(0, dense.nanoseconds - dense.products)
        scale = sum > 0 ? dense.products / sum : 1
        denseProducts = products
    }

    /// What the table holds of a candidate, as it is kept in the run's precision.
    func key(_ candidate: Candidate, of site: MatrixSite) -> ProductKey {
        ProductKey(
            candidate: candidate, shape: site.shape, precision: precision, batch: workload.rows,
            modelBytes: modelBytes)
    }

    /// Nanoseconds of a candidate for one unit of work, before `scale`; nil where the table does not know.
    public func time(_ candidate: Candidate, of site: MatrixSite) -> ProductTime? {
        guard site.isMultiplied else { return ProductTime(nanoseconds: 0, isInterpolated: false) }
        guard let time = table.time(key(candidate, of: site)) else { return nil }
        return ProductTime(
            nanoseconds: time.nanoseconds * workload.products, isInterpolated: time.isInterpolated)
    }

    /// Whether a candidate may be chosen: it is faster than the matrix dense, in the run's precision and as
    /// it is in the model. The dense one always may.
    public func pays(_ candidate: Candidate, of site: MatrixSite) -> Bool {
        guard site.isMultiplied, candidate.family != Dense.family.name else { return true }
        guard let own = time(candidate, of: site) else { return false }
        let dense = time(Candidate(family: Dense.family.name), of: site)?.nanoseconds ?? .infinity
        return own.nanoseconds < min(dense, denseProducts[site.name] ?? .infinity)
    }

    /// The allocator's unit: whole nanoseconds, rounded up so that sums keep within a budget.
    func price(_ candidate: Candidate, of site: MatrixSite) -> Int {
        let nanoseconds = scale * correction * (time(candidate, of: site)?.nanoseconds ?? .infinity)
        return Int(min(nanoseconds, Self.unaffordable).rounded(.up))
    }

    /// Nanoseconds; sums of ten thousand of them do not overflow.
    private static let unaffordable = 1e14

    /// Nanoseconds of everything but the selected matrices.
    func fixed(besides selected: [MatrixSite]) -> Double {
        let names = Set(selected.map { $0.name })
        let left = denseProducts.filter { !names.contains($0.key) }.values.sorted().reduce(0, +)
        return rest + scale * left
    }

    /// What the selected matrices may take together for the model to keep to a share of the dense one's time;
    /// below 0 where the others take longer already.
    func limit(_ share: Double, selected: [MatrixSite]) -> Int {
        Int(max(-Self.unaffordable, share * dense - fixed(besides: selected)).rounded(.down))
    }

    /// Nanoseconds of the model with these candidates.
    func predicted(_ choices: [Candidate], of selected: [MatrixSite]) -> Double {
        zip(choices, selected).reduce(fixed(besides: selected)) { sum, choice in
            sum + scale * correction * (time(choice.0, of: choice.1)?.nanoseconds ?? 0)
        }
    }

    /// "1.23 ms a token (2 threads)".
    public var denseText: String {
        "\(Self.text(dense)) a \(workload.unit) (\(table.machine.threadsText))"
    }

    /// Nanoseconds in a unit that suits them, three digits.
    public static func text(_ nanoseconds: Double) -> String {
        for (unit, size) in [("s", 1e9), ("ms", 1e6), ("us", 1e3)] where nanoseconds >= size {
            return "\((nanoseconds / size).shortened) \(unit)"
        }
        return "\(nanoseconds.shortened) ns"
    }
}

extension MatrixSite {
    /// Whether the model multiplies with the matrix: all but tables that are only looked up.
    var isMultiplied: Bool { role == .linear || input != nil }
}

extension TransformerModel {
    /// The precision a matrix has in the model.
    func storedPrecision(of site: MatrixSite, otherwise precision: Precision) -> Precision {
        (self[site: site.name] as? Dense)?.weight.precision ?? precision
    }
}
