import Fitting
import StructuredMatrices
import Tensors
import Testing

@Suite struct GradientRefinementTests {
    static func starts(_ rows: Int, _ columns: Int) -> [any DifferentiableMatrix] {
        [
            LowRank(u: Instances.random(rows, 6, seed: 5), v: Instances.random(6, columns, seed: 6)),
            BlockDiagonal(
                blocks: Factor(
                    Instances.random(rows, columns / 4, seed: 5).elements, shape: [4, rows / 4, columns / 4])),
            BLASTFitterTests.planted(rows: rows, columns: columns, blocks: 4, rank: 4),
            MonarchFitterTests.planted(
                rows: rows, columns: columns, blocks: 4, groups: 2, rank: 2, strided: true),
            BlockShuffleFitterTests.planted(rows: rows, columns: columns, blocks: 4),
        ]
    }

    @Test func everyFamilyImprovesMonotonely() throws {
        let weight = Instances.random(24, 32)
        for objective in try Instances.objectives(32) {
            for start in Self.starts(24, 32) {
                try check(start, weight, objective)
            }
        }
    }

    private func check<M: DifferentiableMatrix>(_ start: M, _ weight: Matrix, _ objective: Objective) throws {
        let before = try objective.error(of: start.dense(), for: weight)
        let fit = try GradientRefinement().refine(start, toward: weight, objective: objective)
        #expect(fit.relativeError < 0.9 * before, "\(M.family.name)")
        for (earlier, later) in zip(fit.trace, fit.trace.dropFirst()) { #expect(later <= earlier) }
        #expect(fit.matrix.cost == start.cost)
    }

    @Test func findsTheLowRankOptimum() throws {
        let weight = try Instances.decaying(24, 20)
        for objective in try Instances.objectives(20) {
            let best = try LowRankFactorisation(weight, objective: objective)
            let start = try LowRankFactorisation(weight, objective: .frobenius).matrix(rank: 4)
            let fit = try GradientRefinement(iterations: 400, tolerance: 1e-7)
                .refine(start, toward: weight, objective: objective)
            #expect(fit.relativeError < 1.02 * best.relativeError(rank: 4))
        }
    }

    @Test func theOptimumIsLeftAlone() throws {
        let weight = Instances.random(16, 16)
        let start = try LowRankFactorisation(weight, objective: .frobenius).matrix(rank: 5)
        let before = try Objective.frobenius.error(of: start.dense(), for: weight)
        let fit = try GradientRefinement().refine(start, toward: weight, objective: .frobenius)
        #expect(fit.relativeError <= before)
        #expect(fit.relativeError > 0.999 * before)
    }

    @Test func zeroWeightAndBadInputAreHandled() throws {
        let start = LowRank(u: Instances.random(6, 2), v: Instances.random(2, 5))
        let fit = try GradientRefinement().refine(
            start, toward: Matrix(rows: 6, columns: 5), objective: .frobenius)
        #expect(fit.relativeError == 0)
        let shape = MatrixShape(rows: 4, columns: 5)
        #expect(
            throws: FittingError.shapeMismatch(
                matrix: "matrix", expected: shape, got: MatrixShape(rows: 6, columns: 5))
        ) { try GradientRefinement().refine(start, toward: Instances.random(4, 5), objective: .frobenius) }
    }
}
