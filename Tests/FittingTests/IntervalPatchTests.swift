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

    /// A fixed form costs what it says whatever the weight.
    @Test(arguments: [(0, 6, 9), (2, 5, 16), (3, 0, 2), (1, 3, 88)])
    func aFormCostsWhatItSays(components: Int, patches: Int, length: Int) throws {
        let shape = MatrixShape(rows: 48, columns: 40)
        let form = IntervalPatchFitter.Form(components: components, patches: patches, length: length)
        let weight = try Instances.decaying(48, 40)
        for objective in try Instances.objectives(40) {
            let fit = try IntervalPatchFitter(form: form).fit(weight, objective: objective, size: .parameters(.max))
            #expect(fit.matrix.cost == form.cost(shape: shape, precision: .f32))
            #expect(fit.matrix.patches.suffix(patches).allSatisfy { $0.rows.count + $0.columns.count == length })
            #expect(fit.relativeError < 1)
            // Every part saves something.
            let fewer = IntervalPatchFitter.Form(
                components: components, patches: max(0, patches - 2), length: length)
            guard patches >= 2 else { continue }
            let less = try IntervalPatchFitter(form: fewer).fit(weight, objective: objective, size: .parameters(.max))
            #expect(fit.relativeError < less.relativeError)
        }
        // Half of what it needs is refused.
        let half = form.cost(shape: shape, precision: .f32).parameters / 2
        #expect(throws: FittingError.self) {
            try IntervalPatchFitter(form: form).fit(weight, objective: .frobenius, size: .parameters(half))
        }
    }

    @Test(arguments: [
        (IntervalPatchFitter.Form(components: 41, patches: 1, length: 8), "components"),
        (IntervalPatchFitter.Form(components: 1, patches: -1, length: 8), "patches"),
        (IntervalPatchFitter.Form(components: 1, patches: 1, length: 89), "length"),
    ])
    func formsOutsideAreRefused(form: IntervalPatchFitter.Form, option: String) throws {
        let limits = ["components": "0 to 40", "patches": "0 to 1920", "length": "2 to 88"]
        let got = ["components": 41, "patches": -1, "length": 89]
        #expect(
            throws: FittingError.invalidOption(
                fitter: "gaudi-patches", option: option, expected: limits[option] ?? "", got: got[option] ?? 0)
        ) {
            try IntervalPatchFitter(form: form).fit(
                Instances.random(48, 40), objective: .frobenius, size: .parameters(.max))
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
