import Fitting
import StructuredMatrices
import Synchronization

/// Decompositions of weights, kept for the fits of other ranks: those take two thin products then, where a decomposition
/// takes fifty times as long. The results are the same bits whether one was kept or not.
public final class KeptFactorisations: Sendable {
    /// Bytes kept at most, of doubles; what does not fit is computed whenever it is asked for.
    public static let usualLimit = 256 << 20

    private let limit: Int
    private let held = Mutex<(bytes: Int, found: [String: LowRankFactorisation])>((0, [:]))

    public init(limit: Int = KeptFactorisations.usualLimit) { self.limit = limit }

    /// Bytes of a decomposition of a whole matrix, in `Double`.
    static func bytes(of shape: MatrixShape) -> Int {
        8 * min(shape.rows, shape.columns) * (shape.rows + shape.columns + 1)
    }

    /// How many are kept.
    public var count: Int { held.withLock { $0.found.count } }

    /// That of a site, from `make` where it was not kept.
    func callAsFunction(
        _ site: String, _ shape: MatrixShape, make: () throws -> LowRankFactorisation
    ) throws -> LowRankFactorisation {
        if let known = held.withLock({ $0.found[site] }) { return known }
        let made = try make()
        let bytes = Self.bytes(of: shape)
        held.withLock { held in
            guard held.found[site] == nil, held.bytes + bytes <= limit else { return }
            held.found[site] = made
            held.bytes += bytes
        }
        return made
    }
}

extension CandidateContext {
    /// All low-rank fits of the weight under the objective.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    func lowRankFactorisation() throws -> LowRankFactorisation {
        guard let factorisations else { return try LowRankFactorisation(weight, objective: objective, context: fit) }
        return try factorisations(site.name, site.shape) {
            try LowRankFactorisation(weight, objective: objective, context: fit)
        }
    }
}
