import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

/// Fisher weights of rows and columns, alone and with activations.
@Suite struct FisherObjectiveTests {
    static let half = SizeBudget.fraction(0.5)

    @Test func errorIsTheWeightedSum() throws {
        let (weight, other) = (Instances.random(4, 6), Instances.random(4, 6, seed: 2))
        let (rows, columns) = (Instances.fisher(4), Instances.fisher(6, seed: 2))
        let gram = try Instances.correlatedGram(6)
        for activations in [nil, gram] {
            var (error, total) = (0.0, 0.0)
            for row in 0..<4 {
                for i in 0..<6 {
                    for j in 0..<6 {
                        let g = activations?.matrix[i, j] ?? (i == j ? 1 : 0)
                        let h = rows[row] * (columns[i] * columns[j]).squareRoot() * g
                        error += h * Double(weight[row, i] - other[row, i]) * Double(weight[row, j] - other[row, j])
                        total += h * Double(weight[row, i]) * Double(weight[row, j])
                    }
                }
            }
            let objective = try Objective.fisher(rows: rows, columns: columns, activations: activations)
            #expect(objective.kind == (activations == nil ? .fisher : .activationsAndFisher))
            let measured = try objective.error(of: other, for: weight)
            #expect(abs(measured - error / total) < 1e-6 * measured)
        }
    }

    @Test func manyRowsKeepTheirWeights() throws {
        let weight = Instances.random(2500, 3)
        var other = weight
        for column in 0..<3 { other[2400, column] = 0 }
        var rows = [Double](repeating: 0, count: 2500)
        rows[2400] = 1
        #expect(abs(try Objective.fisher(rows: rows).error(of: other, for: weight) - 1) < 1e-6)
    }

    @Test func equalWeightsAreNone() throws {
        let (weight, other) = (Instances.random(5, 7), Instances.random(5, 7, seed: 2))
        let gram = try Instances.correlatedGram(7)
        let (rows, columns) = ([Double](repeating: 3, count: 5), [Double](repeating: 2, count: 7))
        let plain = try Objective.fisher(rows: rows, columns: columns).error(of: other, for: weight)
        #expect(abs(plain - (try Objective.frobenius.error(of: other, for: weight))) < 1e-12)
        let both = try Objective.fisher(rows: rows, columns: columns, activations: gram).error(of: other, for: weight)
        #expect(abs(both - (try Objective.activations(gram).error(of: other, for: weight))) < 1e-12)
        let svd = try FisherSVDFitter().fit(weight, objective: .fisher(rows: rows, columns: columns), size: Self.half)
        let reference = try TruncatedSVDFitter().fit(weight, objective: .frobenius, size: Self.half)
        #expect((svd.matrix.dense() - reference.matrix.dense()).squaredNorm < 1e-10 * weight.squaredNorm)
    }

    /// The weighted SVD is the best of its rank: never above plain SVD, and no perturbation improves it.
    @Test func weightedSVDIsOptimal() throws {
        let (rows, columns) = (24, 32)
        let weight = Instances.random(rows, columns)
        for objective in try Instances.weighted(rows, columns).dropFirst(2) {
            let best = try ActivationSVDFitter().fit(weight, objective: objective, size: Self.half)
            let plain = try TruncatedSVDFitter().fit(weight, objective: objective, size: Self.half)
            let fisher = try FisherSVDFitter().fit(weight, objective: objective, size: Self.half)
            #expect(best.relativeError < plain.relativeError)
            #expect(best.relativeError <= fisher.relativeError * (1 + 1e-6))
            if objective.kind == .fisher { #expect(fisher.relativeError <= best.relativeError * (1 + 1e-6)) }
            let exact = try LowRankFactorisation(weight, objective: objective)
            #expect(abs(exact.relativeError(rank: best.matrix.rank) - best.relativeError) < 1e-5 * best.relativeError)
            let told = try exact.relativeErrors(ranks: [best.matrix.rank], of: weight, under: objective)
            #expect(abs(told[0] - best.relativeError) < 1e-5 * best.relativeError)
            var generator = SeededGenerator(seed: 3)
            for _ in 0..<20 {
                let moved = best.matrix.replacingFactors(
                    best.matrix.factors.map { $0.values.map { $0 + 1e-3 * Float(generator.nextNormal()) } })
                #expect(try objective.error(of: moved.dense(), for: weight) >= best.relativeError)
            }
        }
    }

    /// Families closed under scaling of rows fit weights of rows as well as they fit none.
    @Test(arguments: ["monarch-sweeps", "blast-sweeps", "block-diagonal", "block-dense", "block-shuffle"])
    func rowWeightsAreUsed(name: String) throws {
        let fitter = try #require(Fitters.fitter(named: name))
        let (rows, columns) = (32, 48)
        let weight = try Instances.decaying(rows, columns)
        let objective = try Objective.fisher(
            rows: Instances.fisher(rows), columns: Instances.fisher(columns, seed: 2),
            activations: Instances.correlatedGram(columns))
        let context = FitContext()
        let blind = try fitter.fitAny(weight, objective: objective.withoutRows, size: Self.half, context: context)
        let weighted = try fitter.fitAny(weight, objective: objective, size: Self.half, context: context)
        let error = try objective.error(of: blind.matrix.dense(), for: weight)
        // Rows of a block-diagonal matrix share nothing.
        if name == "block-diagonal" {
            #expect(abs(weighted.relativeError - error) < 1e-4 * error)
        } else {
            #expect(weighted.relativeError < error)
        }
    }

    /// A method that cannot use the objective hands over to the refinement, and the fit says so.
    @Test func refinementTakesOver() throws {
        let weight = Instances.random(24, 32)
        let objective = try Objective.fisher(
            rows: Instances.fisher(24), activations: Instances.correlatedGram(32))
        let context = FitContext()
        let plain = try TruncatedSVDFitter().fit(weight, objective: objective, size: Self.half)
        let refined = try TruncatedSVDFitter().fitRefining(
            weight, objective: objective, size: Self.half, context: context)
        #expect(refined.refinement == GradientRefinement.name)
        #expect(refined.relativeError < plain.relativeError)
        #expect(refined.relativeError == (try objective.error(of: refined.matrix.dense(), for: weight)))
        let own = try ActivationSVDFitter().fitRefining(
            weight, objective: objective, size: Self.half, context: context)
        #expect(own.refinement == nil)
        #expect(refined.relativeError > 0.999 * own.relativeError)
        let fixed = try NMMagnitudeFitter().fitRefining(
            weight, objective: objective, size: .fraction(0.6), context: context)
        #expect(fixed.relativeError == (try objective.error(of: fixed.matrix.dense(), for: weight)))
    }

    @Test func badWeightsAreTypedErrors() throws {
        #expect(throws: FittingError.invalidFisherWeight(side: "row", index: 1)) {
            try Objective.fisher(rows: [1, -1])
        }
        #expect(throws: FittingError.invalidFisherWeight(side: "column", index: 0)) {
            try Objective.fisher(columns: [.nan, 1])
        }
        #expect(throws: FittingError.fisherMismatch(matrix: "Gram matrix", side: "column", expected: 3, got: 2)) {
            try Objective.fisher(columns: [1, 1], activations: Gram(.identity(3)))
        }
        let weight = Instances.random(3, 4)
        #expect(throws: FittingError.fisherMismatch(matrix: "w", side: "row", expected: 3, got: 2)) {
            try FisherSVDFitter().fit(
                weight, objective: .fisher(rows: [1, 1]), size: Self.half, context: FitContext(name: "w"))
        }
        #expect(throws: FittingError.fisherMismatch(matrix: "matrix", side: "column", expected: 4, got: 2)) {
            try Objective.fisher(columns: [1, 1]).error(of: weight, for: weight)
        }
        #expect(
            "\(FittingError.invalidFisherWeight(side: "row", index: 1))"
                == "Fisher weights: that of row 1 is negative, NaN or infinite")
        #expect(
            "\(FittingError.fisherMismatch(matrix: "w", side: "row", expected: 3, got: 2))"
                == "w: expected 3 Fisher weights of rows, got 2")
    }
}

extension Objective {
    /// Without the weights of rows.
    var withoutRows: Objective { gram.map(Objective.activations) ?? .frobenius }
}
