import StructuredMatrices
import Tensors

/// Two-core block tensor-train: a Monarch matrix of consecutive rows with both sides cut as evenly as their divisors allow,
/// d_in = k i and d_out = j l with k, i and j, l near the square roots, and fitted by Monarch's sweeps.
public struct BTTFitter: Fitter {
    public static let method = FittingMethod(
        name: "btt-sweeps", family: Monarch.family, objectives: Objective.Kind.allCases,
        summary: "Monarch with both sides cut as evenly as possible, by its sweeps",
        source: "Compute Better Spent, arXiv 2406.06248; the weighted sweeps are this project's")

    /// As Monarch's.
    public var sweeps: Int
    public var tolerance: Double

    public init(sweeps: Int = 30, tolerance: Double = 1e-4) { (self.sweeps, self.tolerance) = (sweeps, tolerance) }

    /// Cost: as `MonarchFitter`. Where not even rank 1 of the even cut is within the budget, or a side is prime, fewer blocks
    /// are taken.
    /// - Throws: as `MonarchFitter`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<Monarch> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let (blocks, groups) = (Self.evenDivisors(shape.columns), Self.evenDivisors(shape.rows))
        var last: FittingError?
        for step in 0..<max(blocks.count, groups.count) {
            do {
                return try MonarchFitter(
                    inputBlocks: blocks[min(step, blocks.count - 1)], outputGroups: groups[min(step, groups.count - 1)],
                    grouping: .contiguous, sweeps: sweeps, tolerance: tolerance
                ).fit(weight, objective: objective, size: size, context: context)
            } catch let error as FittingError {
                guard case .budgetBelowMinimum = error else { throw error.renamed(family: Monarch.family, fitter: Self.method.name) }
                last = error
            }
        }
        throw last ?? .indivisible(matrix: context.name, family: Monarch.family.name, shape: shape, blocks: 1)
    }

    /// Divisors from the one nearest below the square root down to 1.
    static func evenDivisors(_ size: Int) -> [Int] {
        (1...max(1, size)).filter { size % $0 == 0 && $0 * $0 <= size }.reversed()
    }
}
