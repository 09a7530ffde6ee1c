import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

@Suite struct LowRankFitterTests {
    static let fitters: [any Fitter] = [TruncatedSVDFitter(), RandomizedSVDFitter(), ActivationSVDFitter()]

    @Test(arguments: [(24, 16), (16, 24), (40, 40)])
    func plantedRankIsRecovered(rows: Int, columns: Int) throws {
        let weight = Instances.lowRank(rows, columns, rank: 4)
        for fitter in Self.fitters {
            for objective in try Instances.objectives(columns) {
                let fit = try fitter.fitAny(
                    weight, objective: objective, size: .parameters(4 * (rows + columns)),
                    context: FitContext())
                #expect(fit.relativeError < 1e-10, "\(fitter.method.name), \(objective.kind)")
            }
        }
    }

    @Test(arguments: [Objective.Kind.frobenius, .activations])
    func errorIsTheSumOfDiscardedSingularValues(kind: Objective.Kind) throws {
        let weight = Instances.random(20, 30)
        let objective = try Instances.objectives(30).first { $0.kind == kind }!
        let factorisation = try LowRankFactorisation(weight, objective: objective)
        for rank in [1, 5, 12, 20] {
            let measured = try objective.error(of: factorisation.matrix(rank: rank).dense(), for: weight)
            #expect(abs(measured - factorisation.relativeError(rank: rank)) < 1e-6)
        }
        #expect(abs(factorisation.relativeError(rank: 0) - 1) < 1e-9)
        #expect(factorisation.relativeError(rank: 20) < 1e-12)
    }

    @Test func noNeighbourIsCloser() throws {
        let weight = Instances.random(12, 10)
        for objective in try Instances.objectives(10) {
            let best = try LowRankFactorisation(weight, objective: objective).matrix(rank: 3)
            let error = try objective.error(of: best.dense(), for: weight)
            var generator = SeededGenerator(seed: 5)
            for _ in 0..<100 {
                let moved = best.replacingFactors(
                    best.factors.map { $0.values.map { $0 + Float(0.05 * generator.nextNormal()) } })
                #expect(try objective.error(of: moved.dense(), for: weight) >= error - 1e-7)
            }
        }
    }

    @Test func whiteningBeatsThePlainSVDUnderActivations() throws {
        let weight = Instances.random(48, 64)
        let objective = Objective.activations(try Instances.correlatedGram(64))
        let size = SizeBudget.fraction(0.5)
        let plain = try TruncatedSVDFitter().fit(weight, objective: objective, size: size)
        let whitened = try ActivationSVDFitter().fit(weight, objective: objective, size: size)
        #expect(whitened.relativeError < 0.7 * plain.relativeError)
        #expect(whitened.matrix.cost == plain.matrix.cost)
        #expect(size.allows(whitened.matrix.cost, shape: whitened.matrix.shape))
    }

    @Test func anyRootOfTheGramGivesTheSameMatrix() throws {
        // The closed form W G^1/2 with the symmetric root, against the Cholesky factor the fitter takes.
        let weight = Instances.random(10, 14)
        let gram = try Instances.correlatedGram(14)
        let eigen = try SymmetricEigen(gram.matrix)
        let root = DoubleMatrix(rows: 14, columns: 14) { row, column in
            (0..<14).reduce(0.0) {
                $0 + eigen.vectors[$1, row] * eigen.values[$1].squareRoot() * eigen.vectors[$1, column]
            }
        }
        let wide = weight.converted(to: Double.self)
        let left = try SingularValues(wide.multiplied(by: root)).truncated(to: 4).u
        let expected = left.multiplied(by: left.multiplied(by: wide, transposeSelf: true))
        let fitted = try LowRankFactorisation(weight, objective: .activations(gram)).matrix(rank: 4).dense()
        #expect((fitted.converted() - expected).squaredNorm < 1e-10 * expected.squaredNorm)
    }

    @Test func singularGramNeedsNoSpecialCase() throws {
        let inputs = Instances.random(6, 20, seed: 3).converted(to: Double.self)
        let objective = Objective.activations(try Gram(inputs: inputs, relativeDamping: 1e-6))
        let fit = try ActivationSVDFitter().fit(
            Instances.random(16, 20), objective: objective, size: .parameters(6 * 36))
        // Six tokens span six directions: rank 6 loses nothing but the damping.
        #expect(fit.relativeError < 1e-5)
        #expect(fit.matrix.dense().isFinite)
    }

    @Test func sketchIsCloseToTheExactDecomposition() throws {
        let weight = try Instances.decaying(60, 50)
        for objective in try Instances.objectives(50) {
            let size = SizeBudget.parameters(10 * 110)
            let exact = try ActivationSVDFitter().fit(weight, objective: objective, size: size)
            let sketched = try RandomizedSVDFitter().fit(weight, objective: objective, size: size)
            #expect(sketched.relativeError >= exact.relativeError * (1 - 1e-6))
            #expect(sketched.relativeError <= 1.05 * exact.relativeError)
        }
    }

    @Test func factorsAreBalanced() throws {
        let fit = try LowRankFactorisation(Instances.random(9, 7), objective: .frobenius).matrix(rank: 3)
        for component in 0..<3 {
            let u = (0..<9).reduce(0) { $0 + fit.u.matrix[$1, component] * fit.u.matrix[$1, component] }
            let v = (0..<7).reduce(0) { $0 + fit.v.matrix[component, $1] * fit.v.matrix[component, $1] }
            #expect(abs(u - v) < 1e-4 * u)
        }
    }

    @Test(arguments: Precision.allCases)
    func errorIsThatOfTheStoredValues(precision: Precision) throws {
        let weight = Instances.random(24, 24)
        let fit = try ActivationSVDFitter().fit(
            weight, objective: .frobenius, size: .storedBytes(24 * 24 * 4),
            context: FitContext(precision: precision))
        #expect(fit.matrix.u.precision == precision)
        #expect(fit.matrix.cost.storedBytes <= 24 * 24 * 4)
        #expect(fit.relativeError == (try Objective.frobenius.error(of: fit.matrix.dense(), for: weight)))
    }
}
