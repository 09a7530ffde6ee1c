import Fitting
import StructuredMatrices
import Tensors
import Testing

/// Gaudi-GBLR: rank-one patches on intervals.
@Suite struct IntervalPatchTests {
    private typealias Interval = IntervalPatches.Interval

    private func planted(_ patches: [IntervalPatches.Patch], _ shape: MatrixShape) throws -> IntervalPatches {
        var generator = SeededGenerator(seed: 1)
        func factor(_ count: Int) -> Factor {
            Factor((0..<count).map { _ in 1 + Float(generator.nextUniform()) }, shape: [count])
        }
        return try IntervalPatches(
            patches: patches, left: factor(patches.reduce(0) { $0 + $1.rows.count }),
            right: factor(patches.reduce(0) { $0 + $1.columns.count }), shape: shape)
    }

    /// Places and lengths are found, also over the end.
    @Test(arguments: [(3, 7, 20, 6), (28, 8, 35, 9), (0, 32, 10, 3)])
    func aPlantedPatchIsFound(row: Int, rows: Int, column: Int, columns: Int) throws {
        let patch = IntervalPatches.Patch(
            rows: Interval(start: row, count: rows), columns: Interval(start: column, count: columns))
        let planted = try planted([patch], MatrixShape(rows: 32, columns: 40))
        for objective in [Objective.frobenius, .activations(try Gram(.identity(40)))] {
            let fit = try IntervalPatchFitter(lowRankShare: 0).fit(
                planted.dense(), objective: objective, size: .parameters(planted.cost.parameters))
            #expect(fit.matrix.patches == [patch])
            #expect(fit.relativeError < 1e-9)
        }
    }

    /// Intervals of full length are low-rank components.
    @Test func fullLengthsAreLowRank() throws {
        let weight = Instances.random(24, 16)
        for objective in try Instances.objectives(16) {
            let fit = try IntervalPatchFitter(lowRankShare: 1, sweeps: 0).fit(
                weight, objective: objective, size: .parameters(5 * 44))
            let svd = try ActivationSVDFitter().fit(weight, objective: objective, size: .parameters(5 * 40))
            #expect(fit.relativeError <= svd.relativeError * (1 + 1e-5))
            #expect(fit.matrix.patches.prefix(5).allSatisfy { $0.rows.count == 24 && $0.columns.count == 16 })
        }
    }

    /// Several patches that no single low-rank component explains: far below the decomposition of the same size.
    @Test func scatteredPatchesBeatTheDecomposition() throws {
        let shape = MatrixShape(rows: 64, columns: 64)
        let patches = [3, 0, 5, 1, 6, 2, 4].enumerated().map { index, place in
            IntervalPatches.Patch(
                rows: Interval(start: 9 * index, count: 9), columns: Interval(start: 9 * place, count: 9))
        }
        let planted = try planted(patches, shape)
        let size = SizeBudget.parameters(planted.cost.parameters)
        let fit = try IntervalPatchFitter(lowRankShare: 0).fit(planted.dense(), objective: .frobenius, size: size)
        let svd = try ActivationSVDFitter().fit(planted.dense(), objective: .frobenius, size: size)
        #expect(fit.relativeError < 0.01 * svd.relativeError)
    }

    /// Sweeps never lose, under either objective.
    @Test func leastSquaresNeverLose() throws {
        let weight = try Instances.decaying(48, 40)
        for objective in try Instances.objectives(40) {
            let trace = try IntervalPatchFitter(sweeps: 6, tolerance: 0).fit(
                weight, objective: objective, size: .fraction(0.5)).trace
            #expect(trace.count > 3 && (trace.last ?? 1) < trace[0])
            #expect(zip(trace, trace.dropFirst()).allSatisfy { $1 <= $0 * (1 + 1e-9) })
        }
    }

    @Test func patchesOutsideAreRefused() throws {
        let shape = MatrixShape(rows: 4, columns: 4)
        let outside = IntervalPatches.Patch(rows: Interval(start: 4, count: 1), columns: Interval(start: 0, count: 1))
        #expect(throws: StructuredMatrixError.self) {
            try IntervalPatches(
                patches: [outside], left: Factor([1], shape: [1]), right: Factor([1], shape: [1]), shape: shape)
        }
        let inside = IntervalPatches.Patch(rows: Interval(start: 3, count: 2), columns: Interval(start: 0, count: 1))
        #expect(throws: StructuredMatrixError.self) {
            try IntervalPatches(
                patches: [inside], left: Factor([1], shape: [1]), right: Factor([1], shape: [1]), shape: shape)
        }
    }
}
