import Fitting
import LinearAlgebra
import StructuredMatrices
import Synchronization
import Tensors
import Testing

/// Sparse codes times a dense dictionary.
@Suite struct DictionaryFitterTests {
    static let fitters: [any Fitter] = [COMPOTFitter(), CoSpaDiFitter(), DSFormerFitter(), StraightThroughFitter()]

    /// Rows that are sums of `perRow` of the rows of a random dictionary.
    private func planted(
        rows: Int, columns: Int, atoms: Int, perRow: Int, orthonormal: Bool, seed: UInt64 = 1
    ) throws -> (weight: Matrix, dictionary: Matrix) {
        var generator = SeededGenerator(seed: seed)
        var dictionary = Matrix.random(rows: atoms, columns: columns, using: &generator)
        if orthonormal { dictionary = try QR(dictionary.transposed()).q.transposed() }
        var codes = Matrix(rows: rows, columns: atoms)
        for row in 0..<rows {
            for atom in (0..<atoms).shuffled(using: &generator).prefix(perRow) {
                let sign: Float = generator.nextUniform() < 0.5 ? -1 : 1
                codes[row, atom] = sign * (1 + Float(generator.nextUniform()))
            }
        }
        return (codes.multiplied(by: dictionary), dictionary)
    }

    private func size(atoms: Int, perRow: Int, _ weight: Matrix) -> SizeBudget {
        .parameters(atoms * weight.columns + perRow * weight.rows)
    }

    @Test func aPlantedDictionaryIsRecovered() throws {
        let (weight, dictionary) = try planted(rows: 500, columns: 20, atoms: 20, perRow: 3, orthonormal: false)
        // Some draws of the first atoms end in other minima.
        let fits = try (0..<4).map { seed in
            try CoSpaDiFitter(ratio: 20.0 / 3, start: .rows, update: .atomByAtom, sweeps: 300, tolerance: 3e-3).fit(
                weight, objective: .frobenius, size: size(atoms: 20, perRow: 3, weight), context: FitContext(seed: seed))
        }
        let fit = try #require(fits.min { $0.relativeError < $1.relativeError })
        let found = try #require(fit.matrix.parts.last as? Dense).dense()
        func unit(_ matrix: Matrix) -> Matrix {
            Matrix(rows: matrix.rows, columns: matrix.columns) { row, column in
                matrix[row, column] / matrix.row(row).reduce(0) { $0 + $1 * $1 }.squareRoot()
            }
        }
        let overlaps = unit(dictionary).multiplied(by: unit(found), transposeOther: true)
        let recovered = (0..<20).count { atom in overlaps.row(atom).contains { abs($0) > 0.99 } }
        // More than 95 % of the atoms.
        #expect(recovered == 20)
        #expect(fit.relativeError < 5e-3)
    }

    /// The error of K-SVD never rises, whatever it replaces, with few atoms for a row and with many.
    @Test func atomsOneAfterAnotherNeverLose() throws {
        let weight = Instances.random(96, 64)
        for objective in try Instances.objectives(64) {
            for ratio in [2.0, 12] {
                let fit = try CoSpaDiFitter(ratio: ratio, update: .atomByAtom, sweeps: 12).fit(
                    weight, objective: objective, size: .fraction(0.5))
                #expect(fit.trace.count > 2)
                #expect(zip(fit.trace, fit.trace.dropFirst()).allSatisfy { $1 <= $0 * (1 + 1e-6) })
            }
        }
    }

    @Test func anOrthonormalDictionaryIsRecoveredExactly() throws {
        let (weight, _) = try planted(rows: 400, columns: 16, atoms: 16, perRow: 2, orthonormal: true)
        let fit = try COMPOTFitter(ratio: 8, sweeps: 300).fit(
            weight, objective: .frobenius, size: size(atoms: 16, perRow: 2, weight))
        #expect(fit.relativeError < 0.02)
    }

    @Test func fullCodesAreTheDecomposition() throws {
        let weight = Instances.random(48, 32)
        for objective in try Instances.objectives(32) {
            let svd = try ActivationSVDFitter().fit(weight, objective: objective, size: .parameters(8 * 80))
            for fitter in [COMPOTFitter(ratio: 1) as any Fitter, CoSpaDiFitter(ratio: 1), DSFormerFitter(group: 4, kept: 4)] {
                let fit = try fitter.fitAny(weight, objective: objective, size: .parameters(8 * 80), context: FitContext())
                #expect(abs(fit.relativeError - svd.relativeError) < 1e-5 * svd.relativeError + 1e-9, "\(fitter.method.name)")
            }
        }
    }

    @Test func errorsNeverRise() throws {
        let weight = Instances.random(96, 64)
        for objective in try Instances.objectives(64) {
            for fitter in Self.fitters {
                let trace = try fitter.fitAny(weight, objective: objective, size: .fraction(0.5), context: FitContext()).trace
                #expect(trace.count > 2, "\(fitter.method.name)")
                // Where the pursuit takes over, values are refitted by a finite number of steps.
                #expect(zip(trace, trace.dropFirst()).allSatisfy { $1 <= $0 * (1 + 1e-6) }, "\(fitter.method.name)")
            }
        }
    }

    /// On a weight without any structure at half the numbers: 0.522 for an orthonormal dictionary against 0.612 for a
    /// decomposition (not squared), as measured with reference code.
    @Test func beatsTheDecompositionOnNoise() throws {
        let weight = Instances.random(256, 256)
        let half = SizeBudget.fraction(0.5)
        let svd = try ActivationSVDFitter().fit(weight, objective: .frobenius, size: half).relativeError.squareRoot()
        let orthogonal = try COMPOTFitter().fit(weight, objective: .frobenius, size: half).relativeError.squareRoot()
        let pursued = try CoSpaDiFitter(sweeps: 5).fit(weight, objective: .frobenius, size: half).relativeError.squareRoot()
        #expect(abs(svd - 0.612) < 0.01 && abs(orthogonal - 0.522) < 0.02)
        #expect(pursued < orthogonal)
    }

    @Test func theObjectiveIsTheOneThatIsLowered() throws {
        let weight = Instances.random(96, 64)
        let objective = Objective.activations(try Instances.correlatedGram(64))
        for fitter in Self.fitters {
            let weighted = try fitter.fitAny(weight, objective: objective, size: .fraction(0.5), context: FitContext())
            let plain = try fitter.fitAny(weight, objective: .frobenius, size: .fraction(0.5), context: FitContext())
            #expect(weighted.relativeError < (try objective.error(of: plain.matrix.dense(), for: weight)))
        }
    }

    @Test func codesAreStoredAsPromised() throws {
        let weight = Instances.random(96, 64)
        let rows = try CoSpaDiFitter(sweeps: 2).fit(weight, objective: .frobenius, size: .fraction(0.5))
        let csr = try #require(rows.matrix.parts.first as? CompressedSparseRows)
        let counts = zip(csr.offsets, csr.offsets.dropFirst()).map { $1 - $0 }
        #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1)
        let groups = try DSFormerFitter(group: 8, kept: 3, sweeps: 2).fit(weight, objective: .frobenius, size: .fraction(0.5))
        let nm = try #require(groups.matrix.parts.first as? NMSparse)
        #expect(nm.kept == 3 && nm.group == 8 && nm.shape.columns % 8 == 0)
    }

    /// The latent weight finds places that alternation alone does not, and nothing is lost where it does not.
    @Test func straightThroughNeverLoses() throws {
        var gains = 0
        for seed: UInt64 in 1...3 {
            let weight = Instances.random(96, 64, seed: seed)
            for objective in try Instances.objectives(64) {
                let start = try DSFormerFitter().fit(weight, objective: objective, size: .fraction(0.5))
                let fit = try StraightThroughFitter().fit(weight, objective: objective, size: .fraction(0.5))
                #expect(fit.relativeError <= start.relativeError * (1 + 1e-6))
                if fit.relativeError < 0.999 * start.relativeError { gains += 1 }
            }
        }
        #expect(gains > 0)
    }

    @Test func wrongOptionsAreRefused() {
        #expect(throws: FittingError.invalidOption(fitter: "dsformer-stf", option: "rounds", expected: "0 or more", got: -1)) {
            try StraightThroughFitter(rounds: -1).fit(Instances.random(8, 12), objective: .frobenius, size: .fraction(1))
        }
        let weight = Instances.random(8, 12)
        #expect(throws: FittingError.self) { try COMPOTFitter(ratio: 0.5).fit(weight, objective: .frobenius, size: .fraction(1)) }
        #expect(throws: FittingError.self) { try COMPOTFitter(ratio: .nan).fit(weight, objective: .frobenius, size: .fraction(1)) }
        #expect(throws: FittingError.invalidOption(fitter: "dsformer", option: "group", expected: "4, 8 or 16", got: 5)) {
            try DSFormerFitter(group: 5).fit(weight, objective: .frobenius, size: .fraction(1))
        }
        #expect(throws: FittingError.invalidOption(fitter: "dsformer", option: "kept", expected: "1 to 4", got: 9)) {
            try DSFormerFitter(group: 4, kept: 9).fit(weight, objective: .frobenius, size: .fraction(1))
        }
    }

    @Test(arguments: ["compot", "cospadi", "dsformer", "dsformer-stf", "armor"])
    func progressIsReportedAndCancellationHeeded(name: String) throws {
        let fitter = try #require(Fitters.fitter(named: name))
        let weight = Instances.random(64, 64)
        let told = Atomic<Int>(0)
        _ = try fitter.fitAny(
            weight, objective: .frobenius, size: .fraction(0.6),
            context: FitContext(progress: { _ in told.add(1, ordering: .relaxed) }))
        #expect(told.load(ordering: .relaxed) > 1)
        let asked = Atomic<Int>(0)
        #expect(throws: FittingError.cancelled(matrix: "matrix")) {
            try fitter.fitAny(
                weight, objective: .frobenius, size: .fraction(0.6),
                context: FitContext(isCancelled: { asked.add(1, ordering: .relaxed).oldValue > 2 }))
        }
    }
}
