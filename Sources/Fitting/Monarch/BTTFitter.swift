import StructuredMatrices
import Tensors

/// Two-core block tensor-train: a Monarch matrix of consecutive rows, d_in = k i and d_out = j l, fitted by Monarch's sweeps.
///
/// The cut that is as even as the sides' divisors allow (k, i and j, l near the square roots) is the paper's; coarser ones
/// down to one block, which is low-rank, are tried too, and the best after a few sweeps is taken: even cuts pay under
/// training, coarse ones for trained weights.
public struct BTTFitter: Fitter {
    public static let method = FittingMethod(
        name: "btt-sweeps", family: Monarch.family, objectives: Objective.Kind.allCases,
        summary: "Monarch with the better of even and coarse cuts of both sides, by its sweeps",
        source: "Compute Better Spent, arXiv 2406.06248; the weighted sweeps are this project's")

    /// As Monarch's.
    public var sweeps: Int
    public var tolerance: Double

    public init(sweeps: Int = 30, tolerance: Double = 1e-4) { (self.sweeps, self.tolerance) = (sweeps, tolerance) }

    /// Cost: as `MonarchFitter`.
    /// - Throws: as `MonarchFitter`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<Monarch> {
        try context.check(weight, objective)
        let (blocks, groups) = (Self.evenDivisors(weight.columns), Self.evenDivisors(weight.rows))
        // The even cut; then, from the coarsest on, the inputs alone and both sides together.
        let even = (0..<max(blocks.count, groups.count)).map { step in
            (inputBlocks: blocks[min(step, blocks.count - 1)], outputGroups: groups[min(step, groups.count - 1)])
        }
        let inputs = blocks.reversed().map { (inputBlocks: $0, outputGroups: 1) }
        let counts = [even[0]] + inputs + even.dropFirst().reversed()
        do {
            return try MonarchFitter(grouping: .contiguous, sweeps: sweeps, tolerance: tolerance).fit(
                weight, objective: objective, size: size, context: context, counts: counts)
        } catch let error as FittingError {
            throw error.renamed(family: Monarch.family, fitter: Self.method.name)
        }
    }

    /// Divisors from the one nearest below the square root down to 1.
    static func evenDivisors(_ size: Int) -> [Int] {
        (1...max(1, size)).filter { size % $0 == 0 && $0 * $0 <= size }.reversed()
    }
}
