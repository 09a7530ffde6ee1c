import Fitting
import StructuredMatrices
import Tensors
import Testing

/// What every registered fitter promises.
@Suite struct FitterLawTests {
    static let size = SizeBudget.fraction(0.6)

    @Test func namesAreUniqueAndComplete() {
        let methods = Fitters.methods
        #expect(Set(methods.map(\.name)).count == methods.count)
        for method in methods {
            #expect(!method.summary.isEmpty && !method.source.isEmpty && !method.objectives.isEmpty)
            #expect(!method.summary.contains("\n"))
            #expect(Fitters.fitter(named: method.name)?.method == method)
            #expect(Families.names.contains(method.family.name))
        }
        #expect(Fitters.fitter(named: "nonesuch") == nil)
    }

    /// Quantized matrices keep every multiply-add, so the common budget is one of bytes.
    static func budget(_ fitter: any Fitter, rows: Int, columns: Int) -> SizeBudget {
        .storedBytes(rows * columns * 4 * 6 / 10)
    }

    @Test(arguments: Fitters.methods.map(\.name))
    func staysWithinBudgetAndReportsTheTruth(name: String) throws {
        let fitter = try #require(Fitters.fitter(named: name))
        for (rows, columns) in [(32, 32), (48, 32), (32, 64)] {
            let weight = Instances.random(rows, columns)
            for objective in try Instances.weighted(rows, columns) {
                for precision in Precision.allCases {
                    let budget = Self.budget(fitter, rows: rows, columns: columns)
                    let fit = try fitter.fitAny(
                        weight, objective: objective, size: budget, context: FitContext(precision: precision))
                    let shape = MatrixShape(rows: rows, columns: columns)
                    #expect(fit.matrix.shape == shape)
                    #expect(type(of: fit.matrix).family == fitter.method.family)
                    #expect(budget.allows(fit.matrix.cost, shape: shape))
                    #expect(fit.relativeError == (try objective.error(of: fit.matrix.dense(), for: weight)))
                    #expect(fit.relativeError >= 0 && fit.relativeError < 1)
                    #expect(!fit.trace.isEmpty)
                }
            }
        }
    }

    @Test(arguments: Fitters.methods.map(\.name))
    func sameSeedGivesTheSameBitsAtAnyThreadCount(name: String) throws {
        let fitter = try #require(Fitters.fitter(named: name))
        let weight = Instances.random(48, 32)
        for objective in try Instances.weighted(48, 32) {
            let fits = try [1, 2, 3].map { threads in
                try fitter.fitAny(
                    weight, objective: objective, size: Self.budget(fitter, rows: 48, columns: 32),
                    context: FitContext(seed: 9, execution: ExecutionContext(threads: threads)))
            }
            #expect(
                fits.allSatisfy { $0.matrix.dense() == fits[0].matrix.dense() && $0.trace == fits[0].trace })
        }
    }

    @Test(arguments: Fitters.methods.map(\.name))
    func zeroWeightsAndZeroGramsHaveNoErrorAndNoNaN(name: String) throws {
        let fitter = try #require(Fitters.fitter(named: name))
        let budget = Self.budget(fitter, rows: 16, columns: 32)
        let zeroGram = Objective.activations(try Gram(DoubleMatrix(rows: 32, columns: 32)))
        let zero = Matrix(rows: 16, columns: 32)
        for objective in try Instances.weighted(16, 32) + [zeroGram, .fisher(rows: [Double](repeating: 0, count: 16))] {
            let fit = try fitter.fitAny(zero, objective: objective, size: budget, context: FitContext())
            #expect(fit.relativeError == 0)
            #expect(fit.matrix.dense().isFinite)
        }
        let fit = try fitter.fitAny(
            Instances.random(16, 32), objective: zeroGram, size: budget, context: FitContext())
        #expect(fit.relativeError == 0)
        #expect(fit.matrix.dense().isFinite)
    }

    @Test(arguments: Fitters.methods.map(\.name))
    func singularGramIsNoError(name: String) throws {
        let fitter = try #require(Fitters.fitter(named: name))
        var inputs = Instances.random(5, 32, seed: 4).converted(to: Double.self)
        for row in 0..<5 { inputs[row, 3] = 0 }
        let fit = try fitter.fitAny(
            Instances.random(16, 32), objective: .activations(try Gram(inputs: inputs)),
            size: Self.budget(fitter, rows: 16, columns: 32), context: FitContext())
        #expect(fit.matrix.dense().isFinite)
        #expect(fit.relativeError < 1)
    }

    @Test(arguments: Fitters.methods.map(\.name))
    func badInputIsATypedError(name: String) throws {
        let fitter = try #require(Fitters.fitter(named: name))
        let context = FitContext(name: "layer.0")
        let budget = SizeBudget.fraction(1)
        for number in [Float.nan, .infinity, -.infinity] {
            var weight = Instances.random(8, 16)
            weight[2, 3] = number
            #expect(throws: FittingError.notFiniteWeight(matrix: "layer.0", row: 2, column: 3)) {
                try fitter.fitAny(weight, objective: .frobenius, size: budget, context: context)
            }
            // Calibration that is not finite never gets as far as a fitter.
            var moments = DoubleMatrix.identity(16)
            moments[2, 3] = Double(number)
            #expect(throws: FittingError.notFiniteGram(row: 2, column: 3)) { try Gram(moments) }
        }
        let shape = MatrixShape(rows: 8, columns: 16)
        #expect(throws: FittingError.gramMismatch(matrix: "layer.0", shape: shape, gramSize: 4)) {
            try fitter.fitAny(
                Instances.random(8, 16), objective: .activations(try Gram(.identity(4))), size: budget,
                context: context)
        }
        #expect(throws: FittingError.emptyWeight(matrix: "layer.0", shape: MatrixShape(rows: 0, columns: 16)))
        {
            try fitter.fitAny(
                Matrix(rows: 0, columns: 16), objective: .frobenius, size: budget, context: context)
        }
        #expect(throws: FittingError.cancelled(matrix: "layer.0")) {
            try fitter.fitAny(
                Instances.random(8, 16), objective: .frobenius, size: budget,
                context: FitContext(name: "layer.0", isCancelled: { true }))
        }
        let error = #expect(throws: FittingError.self) {
            try fitter.fitAny(
                Instances.random(8, 16), objective: .frobenius, size: .storedBytes(3), context: context)
        }
        guard
            case .budgetBelowMinimum(
                "layer.0", fitter.method.family.name, shape, .storedBytes(3), let minimum)? = error
        else {
            Issue.record("\(error.map(String.init(describing:)) ?? "no error")")
            return
        }
        #expect(minimum.storedBytes > 3)
    }

    @Test(arguments: Fitters.methods.map(\.name))
    func thinAndPrimeShapesFitOrSayWhyNot(name: String) throws {
        let fitter = try #require(Fitters.fitter(named: name))
        for (rows, columns) in [(1, 1), (1, 24), (24, 1), (13, 7), (17, 17)] {
            for objective in try Instances.weighted(rows, columns) {
                do {
                    let fit = try fitter.fitAny(
                        Instances.random(rows, columns), objective: objective,
                        size: .storedBytes(16 * (rows + 1) * (columns + 1)), context: FitContext())
                    #expect(fit.matrix.dense().isFinite)
                    #expect(fit.relativeError >= 0 && fit.relativeError <= 1)
                } catch let error as FittingError {
                    #expect("\(error)".contains("\(rows) x \(columns)"))
                }
            }
        }
    }
}
