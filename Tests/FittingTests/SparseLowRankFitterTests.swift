import Fitting
import LinearAlgebra
import StructuredMatrices
import Synchronization
import Tensors
import Testing

/// Sums of a low-rank and a sparse matrix.
@Suite struct SparseLowRankFitterTests {
    /// Rank 5 and a twentieth of the places, five times as large.
    private func planted(_ rows: Int, _ columns: Int) -> Matrix {
        var generator = SeededGenerator(seed: 11)
        var weight = Instances.lowRank(rows, columns, rank: 5)
        for index in weight.elements.indices where generator.nextUniform() < 0.05 {
            weight.elements[index] += 10 * Float(generator.nextNormal())
        }
        return weight
    }

    private func size(_ rank: Int, _ entries: Int, _ weight: Matrix) -> SizeBudget {
        .parameters(rank * (weight.rows + weight.columns) + entries)
    }

    @Test func robustPCARecoversAPlantedPair() throws {
        for (rows, columns) in [(80, 80), (60, 120), (120, 60)] {
            let weight = planted(rows, columns)
            let fit = try RobustPCAFitter().fit(
                weight, objective: .frobenius, size: size(10, rows * columns / 10, weight))
            // The square of a relative error of 1e-5.
            #expect(fit.relativeError < 1e-10, "\(rows) x \(columns)")
            #expect((fit.matrix.parts.last as? LowRank)?.rank == 5)
        }
    }

    @Test func goDecRecoversAPlantedPairOfKnownRank() throws {
        let weight = planted(80, 80)
        let fit = try GoDecFitter(rank: 5, sweeps: 200).fit(weight, objective: .frobenius, size: size(5, 640, weight))
        #expect(fit.relativeError < 1e-6)
    }

    @Test func errorsNeverRise() throws {
        let weight = Instances.random(48, 32)
        for objective in try Instances.objectives(32) {
            for fitter in [GoDecFitter(refits: 0) as any Fitter, OATSFitter(refits: 0)] {
                let trace = try fitter.fitAny(weight, objective: objective, size: .fraction(0.5), context: FitContext()).trace
                #expect(trace.count > 1 && zip(trace, trace.dropFirst()).allSatisfy { $0 >= $1 - 1e-12 })
            }
        }
    }

    @Test func refitsUnderTheObjectiveHelp() throws {
        let weight = Instances.random(48, 32)
        let objective = Objective.activations(try Instances.correlatedGram(32))
        let bare = try OATSFitter(refits: 0).fit(weight, objective: objective, size: .fraction(0.5))
        let refitted = try OATSFitter(refits: 20).fit(weight, objective: objective, size: .fraction(0.5))
        #expect(refitted.relativeError < bare.relativeError)
    }

    @Test func withoutEntriesItIsTheDecomposition() throws {
        let weight = Instances.random(48, 32)
        for objective in try Instances.objectives(32) {
            let fit = try GoDecFitter(rank: 6).fit(weight, objective: objective, size: size(6, 0, weight))
            let svd = try ActivationSVDFitter().fit(weight, objective: objective, size: size(6, 0, weight))
            #expect(abs(fit.relativeError - svd.relativeError) < 1e-6)
        }
    }

    @Test func patternsAreExact() throws {
        let weight = Instances.random(48, 32)
        let rows = try OATSFitter(rank: 3).fit(weight, objective: .frobenius, size: size(3, 48 * 7 + 5, weight))
        let csr = try #require(rows.matrix.parts.first as? CompressedSparseRows)
        #expect(zip(csr.offsets, csr.offsets.dropFirst()).map { $1 - $0 } == (0..<48).map { $0 < 5 ? 8 : 7 })
        let groups = try OATSFitter(pattern: .groups(kept: 2, of: 8)).fit(
            weight, objective: .frobenius, size: .parameters(48 * 8 + 4 * 80))
        let sparse = try #require(groups.matrix.parts.first as? NMSparse)
        #expect(sparse.kept == 2 && sparse.group == 8)
        #expect((groups.matrix.parts.last as? LowRank)?.rank == 4)
    }

    /// At equal bytes no worse than either family alone on a matrix that is a little of both.
    @Test func beatsBothPureFamilies() throws {
        var weight = try Instances.decaying(64, 64)
        var generator = SeededGenerator(seed: 5)
        for index in weight.elements.indices where generator.nextUniform() < 0.1 {
            weight.elements[index] += 0.1 * Float(generator.nextNormal())
        }
        for objective in try Instances.objectives(64) {
            let size = SizeBudget.storedBytes(64 * 64 * 2)
            let lowRank = try ActivationSVDFitter().fit(weight, objective: objective, size: size)
            let sparse = try SparseMagnitudeFitter().fit(weight, objective: objective, size: size)
            for fitter in [GoDecFitter() as any Fitter, OATSFitter(), RobustPCAFitter()] {
                let fit = try fitter.fitAny(weight, objective: objective, size: size, context: FitContext())
                #expect(fit.relativeError < min(lowRank.relativeError, sparse.relativeError), "\(fitter.method.name)")
            }
        }
    }

    @Test func wrongOptionsAreRefused() {
        let weight = Instances.random(8, 12)
        #expect(throws: FittingError.invalidOption(fitter: "godec", option: "rank", expected: "1 to 8", got: 9)) {
            try GoDecFitter(rank: 9).fit(weight, objective: .frobenius, size: .fraction(1))
        }
        #expect(throws: FittingError.invalidOption(fitter: "oats", option: "group", expected: "4, 8 or 16", got: 3)) {
            try OATSFitter(pattern: .groups(kept: 1, of: 3)).fit(weight, objective: .frobenius, size: .fraction(1))
        }
        #expect(throws: FittingError.invalidOption(fitter: "oats", option: "kept", expected: "1 to 4", got: 5)) {
            try OATSFitter(pattern: .groups(kept: 5, of: 4)).fit(weight, objective: .frobenius, size: .fraction(1))
        }
        #expect(throws: FittingError.ungroupable(
            matrix: "matrix", family: "nm-sparse", shape: MatrixShape(rows: 8, columns: 12), group: 8)
        ) {
            try OATSFitter(pattern: .groups(kept: 5, of: 8)).fit(weight, objective: .frobenius, size: .fraction(1))
        }
    }

    @Test(arguments: ["eora", "lq-lora", "godec", "oats", "robust-pca"])
    func progressIsReportedAndCancellationHeeded(name: String) throws {
        let fitter = try #require(Fitters.fitter(named: name))
        let weight = Instances.random(32, 32)
        let told = Atomic<Int>(0)
        _ = try fitter.fitAny(
            weight, objective: .frobenius, size: .fraction(2),
            context: FitContext(progress: { _ in told.add(1, ordering: .relaxed) }))
        let asked = Atomic<Int>(0)
        #expect(throws: FittingError.cancelled(matrix: "matrix")) {
            try fitter.fitAny(
                weight, objective: .frobenius, size: .fraction(2),
                context: FitContext(isCancelled: { asked.add(1, ordering: .relaxed).oldValue > 2 }))
        }
        #expect(name == "eora" || told.load(ordering: .relaxed) > 1)
    }
}
