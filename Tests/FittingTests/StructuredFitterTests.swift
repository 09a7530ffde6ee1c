import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

/// The cards' checks of the Kronecker, Tucker, reflection, shift and permuted families: planted instances come back, errors are
/// what the decompositions say, sweeps never lose.
@Suite struct StructuredFitterTests {
    private static let half = SizeBudget.fraction(0.5)

    private static func factor(_ shape: [Int], seed: UInt64) -> Factor {
        var generator = SeededGenerator(seed: seed)
        return Factor((0..<shape.reduce(1, *)).map { _ in Float(generator.nextNormal()) }, shape: shape)
    }

    private static func orthogonal(_ size: Int, seed: UInt64 = 1) throws -> DoubleMatrix {
        try QR(Instances.random(size, size, seed: seed).converted(to: Double.self)).q
    }

    // MARK: Kronecker

    /// m1 != n1 and m2 != n2, so that a wrong order of rows and columns shows.
    @Test func plantedKroneckerSumComesBack() throws {
        let planted = KroneckerSum(
            outer: Self.factor([3, 4, 3], seed: 1), inner: Self.factor([3, 6, 5], seed: 2))
        let size = SizeBudget.parameters(planted.cost.parameters)
        let fit = try KroneckerFitter(outer: MatrixShape(rows: 3, columns: 4)).fit(
            planted.dense(), objective: .frobenius, size: size)
        #expect(fit.relativeError < 1e-10)
        #expect(fit.matrix.terms == 3)
        // Without a grid the right one is found among those tried.
        let found = try KroneckerFitter().fit(planted.dense(), objective: .frobenius, size: size)
        #expect(found.relativeError < 1e-10)
    }

    @Test func kroneckerErrorIsTheTailOfTheRearrangedSpectrum() throws {
        let weight = Instances.random(12, 30)
        let (outer, inner) = (MatrixShape(rows: 4, columns: 5), MatrixShape(rows: 3, columns: 6))
        let values = try SingularValues(
            KroneckerSum.rearranged(weight.converted(to: Double.self), outer: outer, inner: inner)
        ).values
        for terms in [1, 4, 18] {
            let fit = try KroneckerFitter(outer: outer).fit(
                weight, objective: .frobenius, size: .parameters(terms * (outer.count + inner.count)))
            let tail = values.dropFirst(terms).reduce(0) { $0 + $1 * $1 } / weight.squaredNorm
            #expect(fit.matrix.terms == terms)
            #expect(abs(fit.relativeError - tail) < 1e-6)
        }
    }

    @Test func kroneckerByItsDefinition() throws {
        let sum = KroneckerSum(outer: Self.factor([2, 3, 2], seed: 1), inner: Self.factor([2, 4, 5], seed: 2))
        let dense = sum.dense()
        for row in 0..<8 {
            for column in 0..<15 {
                let expected = (0..<2).reduce(Float(0)) { total, term in
                    total + sum.outer.values[(row / 4 * 3 + column / 5) * 2 + term]
                        * sum.inner.values[(term * 4 + row % 4) * 5 + column % 5]
                }
                #expect(abs(dense[row, column] - expected) < 1e-5)
            }
        }
    }

    @Test func weightedKroneckerSweepsNeverLose() throws {
        let weight = try Instances.decaying(24, 32)
        let objective = Objective.activations(try Instances.correlatedGram(32))
        let grid = MatrixShape(rows: 4, columns: 8)
        let size = SizeBudget.parameters(6 * (32 + 24))
        let blind = try KroneckerFitter(outer: grid).fit(weight, objective: .frobenius, size: size)
        let swept = try KroneckerFitter(outer: grid, tolerance: 0).fit(weight, objective: objective, size: size)
        #expect(swept.relativeError < 0.9 * (try objective.error(of: blind.matrix.dense(), for: weight)))
        #expect(swept.sweeps > 1)
        for (before, after) in zip(swept.trace, swept.trace.dropFirst()) { #expect(after <= before * (1 + 1e-9)) }
        #expect(abs(swept.relativeError - (swept.trace.last ?? 0)) < 1e-4 * swept.relativeError)
        // A grid of its own choice is never worse than low-rank.
        let free = try KroneckerFitter().fit(weight, objective: objective, size: size)
        let lowRank = try ActivationSVDFitter().fit(weight, objective: objective, size: size)
        #expect(free.relativeError <= lowRank.relativeError * (1 + 1e-5))
    }

    @Test func plantedKroneckerSumComesBackUnderActivations() throws {
        let planted = KroneckerSum(outer: Self.factor([4, 3, 1], seed: 1), inner: Self.factor([1, 5, 6], seed: 2))
        let objective = Objective.activations(try Instances.correlatedGram(18))
        let fit = try KroneckerFitter(outer: MatrixShape(rows: 4, columns: 3)).fit(
            planted.dense(), objective: objective, size: .parameters(42))
        #expect(fit.relativeError < 1e-10)
    }

    // MARK: Tucker

    @Test func plantedKernelComesBack() throws {
        let planted = Tucker(
            output: Self.factor([12, 3], seed: 1), core: Self.factor([3, 4, 2, 3], seed: 2),
            input: Self.factor([4, 10], seed: 3), vertical: Self.factor([2, 3], seed: 4),
            horizontal: Self.factor([3, 3], seed: 5))
        let kernel = MatrixShape(rows: 3, columns: 3)
        let fit = try TuckerFitter(kernel: kernel, ranks: planted.ranks).fit(
            planted.dense(), objective: .frobenius, size: .fraction(10))
        #expect(fit.relativeError < 1e-10)
        // Three sides: rows, channels, positions in one.
        let threeWay = try TuckerFitter(kernel: MatrixShape(rows: 1, columns: 9), ranks: [3, 4, 1, 6]).fit(
            planted.dense(), objective: .frobenius, size: .fraction(10))
        #expect(threeWay.relativeError < 1e-10)
    }

    @Test func iterationNeverLosesAndBeatsItsStart() throws {
        let weight = Instances.random(12, 8 * 9)
        let fitter = TuckerFitter(kernel: MatrixShape(rows: 3, columns: 3), ranks: [4, 3, 2, 2])
        let fit = try fitter.fit(weight, objective: .frobenius, size: .fraction(1))
        for (before, after) in zip(fit.trace, fit.trace.dropFirst()) { #expect(after <= before + 1e-12) }
        #expect(fit.relativeError < fit.trace[0])
        #expect(abs(fit.relativeError - (fit.trace.last ?? 0)) < 1e-5)
        var start = fitter
        start.sweeps = 0
        #expect(try start.fit(weight, objective: .frobenius, size: .fraction(1)).relativeError > fit.relativeError)
    }

    @Test func linearTuckerIsTheSVD() throws {
        let weight = Instances.random(16, 24)
        let fit = try TuckerFitter(ranks: [5, 5, 1, 1]).fit(weight, objective: .frobenius, size: .fraction(1))
        let svd = try LowRankFactorisation(weight, objective: .frobenius)
        #expect(abs(fit.relativeError - svd.relativeError(rank: 5)) < 1e-5)
    }

    @Test func weightedLinearTuckerIsTheWeightedSVD() throws {
        let weight = try Instances.decaying(24, 16)
        let objective = Objective.activations(try Instances.correlatedGram(16))
        let fit = try TuckerFitter().fit(weight, objective: objective, size: .parameters(4 * 40 + 16 + 2))
        let svd = try ActivationSVDFitter().fit(weight, objective: objective, size: .parameters(4 * 40))
        #expect(fit.matrix.ranks == [4, 4, 1, 1])
        #expect(abs(fit.relativeError - svd.relativeError) < 1e-5 * svd.relativeError)
    }

    @Test func weightedTuckerBeatsThePlainOne() throws {
        let weight = try Instances.decaying(16, 6 * 4)
        let objective = Objective.activations(try Instances.correlatedGram(24))
        let fitter = TuckerFitter(kernel: MatrixShape(rows: 2, columns: 2), ranks: [5, 4, 2, 2])
        let plain = try fitter.fit(weight, objective: .frobenius, size: .fraction(1))
        let weighted = try fitter.fit(weight, objective: objective, size: .fraction(1))
        #expect(weighted.relativeError < 0.95 * (try objective.error(of: plain.matrix.dense(), for: weight)))
    }

    /// Convolution with the reconstructed kernel equals the three steps, with stride and padding, patch by patch.
    @Test func threeConvolutionsAreOne() throws {
        let (channels, side, stride) = (4, 6, 2)
        let tucker = Tucker(
            output: Self.factor([5, 2], seed: 1), core: Self.factor([2, 3, 3, 3], seed: 2),
            input: Self.factor([3, channels], seed: 3), vertical: Factor(.identity(3)), horizontal: Factor(.identity(3)))
        let image = Instances.random(channels, side * side, seed: 4)
        func pixel(_ image: Matrix, _ channel: Int, _ y: Int, _ x: Int) -> Float {
            (0..<side).contains(y) && (0..<side).contains(x) ? image[channel, y * side + x] : 0
        }
        func patches(_ image: Matrix) -> Matrix {
            let places = (0..<side / stride).flatMap { y in (0..<side / stride).map { (y, $0) } }
            return Matrix(rows: places.count, columns: image.rows * 9) { place, column in
                let (y, x) = places[place]
                return pixel(image, column / 9, y * stride + column % 9 / 3 - 1, x * stride + column % 3 - 1)
            }
        }
        let whole = try tucker.multiply(patches(image))
        let inner = tucker.input.matrix.multiplied(by: image)
        let middle = patches(inner).multiplied(
            by: Matrix(rows: 2, columns: 27, elements: tucker.core.values), transposeOther: true)
        let steps = middle.multiplied(by: tucker.output.matrix, transposeOther: true)
        #expect((whole - steps).squaredNorm < 1e-10 * whole.squaredNorm)
    }

    // MARK: Reflections

    @Test func reflectionsAreOrthogonal() throws {
        let product = HouseholderProduct(
            left: Self.factor([7, 20], seed: 1), diagonal: Factor([Float](repeating: 1, count: 20), shape: [20]),
            right: Factor([], shape: [0, 20]))
        let q = product.dense().converted(to: Double.self)
        #expect((q.multiplied(by: q, transposeSelf: true) - .identity(20)).squaredNorm < 1e-11)
        // One after another, the definition.
        var sequential = DoubleMatrix.identity(20)
        for row in (0..<7).reversed() {
            let v = DoubleMatrix(rows: 20, columns: 1, elements: product.left.matrix.row(row).map(Double.init))
            var projection = v.multiplied(by: v.multiplied(by: sequential, transposeSelf: true))
            projection.scale(by: 2 / v.squaredNorm)
            sequential = sequential - projection
        }
        #expect((q - sequential).squaredNorm < 1e-11)
    }

    @Test func orthogonalTimesDiagonalComesBack() throws {
        let q = try Self.orthogonal(16)
        let scales = (0..<16).map { 0.5 + Double($0) }
        let weight = Matrix(rows: 16, columns: 16) { Float(q[$0, $1] * scales[$1]) }
        let fit = try HouseholderFitter().fit(weight, objective: .frobenius, size: .parameters(16 * 17))
        #expect(fit.relativeError < 1e-10)
    }

    @Test func fewReflectionsComeBack() throws {
        let planted = HouseholderProduct(
            left: Self.factor([3, 24], seed: 1),
            diagonal: Factor((0..<24).map { 1 + Float($0) / 8 }, shape: [24]), right: Factor([], shape: [0, 24]))
        let fit = try HouseholderFitter().fit(
            planted.dense(), objective: .frobenius, size: .parameters(planted.cost.parameters))
        #expect(fit.relativeError < 1e-10)
        #expect(fit.matrix.cost.parameters <= planted.cost.parameters)
    }

    @Test func reflectionsAreNeverWorseThanTheirLowRank() throws {
        for (rows, columns) in [(24, 24), (20, 36)] {
            let weight = try Instances.decaying(rows, columns)
            for objective in try Instances.weighted(rows, columns) {
                let fit = try HouseholderFitter().fit(weight, objective: objective, size: .parameters(rows * columns / 2))
                let rank = fit.matrix.left.shape[0]
                guard fit.matrix.right.shape[0] == rank else { continue }
                let lowRank = try LowRankFactorisation(weight, objective: objective).relativeError(rank: rank)
                #expect(fit.relativeError < lowRank)
            }
        }
    }

    @Test func vanishingVectorsAreTheIdentity() throws {
        let zero = HouseholderProduct(
            left: Factor([Float](repeating: 0, count: 12), shape: [2, 6]),
            diagonal: Factor([1, 2, 3, 4], shape: [4]), right: Factor([], shape: [0, 4]))
        #expect(zero.dense() == Matrix(rows: 6, columns: 4) { $0 == $1 ? Float($0 + 1) : 0 })
    }

    // MARK: Shifts

    @Test(arguments: [(7, 12), (12, 7), (9, 9), (1, 5)])
    func toeplitzIsAFixedPoint(rows: Int, columns: Int) throws {
        let shape = MatrixShape(rows: rows, columns: columns)
        let planted = Toeplitz(diagonals: Self.factor([rows + columns - 1], seed: 1), shape: shape)
        for objective in try Instances.weighted(rows, columns) {
            let fit = try ToeplitzFitter().fit(planted.dense(), objective: objective, size: .fraction(1))
            #expect(fit.relativeError < 1e-10)
        }
    }

    @Test(arguments: [(12, 12, 12), (15, 15, 15), (12, 18, 6), (35, 21, 7)])
    func circulantIsAFixedPoint(rows: Int, columns: Int, block: Int) throws {
        let planted = BlockCirculant(cycles: Self.factor([rows / block, columns / block, block], seed: 1))
        for objective in try Instances.weighted(rows, columns) {
            let fit = try BlockCirculantFitter(block: block).fit(
                planted.dense(), objective: objective, size: .fraction(1))
            #expect(fit.relativeError < 1e-10)
        }
    }

    /// The residual of an exact projection is orthogonal, in the objective's inner product, to every member: moving any number
    /// either way raises the error alike.
    @Test func projectionsAreOrthogonal() throws {
        let (rows, columns) = (12, 18)
        let weight = Instances.random(rows, columns)
        func check(_ fit: Fit<some DifferentiableMatrix>, _ objective: Objective) throws {
            let values = fit.matrix.factors[0].values
            for index in stride(from: 0, to: values.count, by: 5) {
                var errors: [Double] = []
                for step: Float in [-0.1, 0.1] {
                    var moved = values
                    moved[index] += step
                    errors.append(
                        try objective.error(of: fit.matrix.replacingFactors([moved]).dense(), for: weight))
                }
                #expect(abs(errors[0] - errors[1]) < 1e-6 && errors[0] > fit.relativeError)
            }
        }
        for objective in try Instances.weighted(rows, columns) {
            try check(ToeplitzFitter().fit(weight, objective: objective, size: .fraction(1)), objective)
            try check(BlockCirculantFitter(block: 6).fit(weight, objective: objective, size: .fraction(1)), objective)
        }
    }

    @Test func budgetsTooSmallForDiagonalsAreTypedErrors() {
        let shape = MatrixShape(rows: 6, columns: 7)
        #expect(
            throws: FittingError.budgetBelowMinimum(
                matrix: "matrix", family: "toeplitz", shape: shape, budget: .parameters(11),
                minimum: Toeplitz.cost(shape: shape, precision: .f32))
        ) { try ToeplitzFitter().fit(Instances.random(6, 7), objective: .frobenius, size: .parameters(11)) }
    }

    // MARK: Orders

    /// Over 90 % of seeds, as the card asks.
    @Test func plantedPermutedBlocksComeBack() throws {
        var recovered = 0
        for seed in 0..<20 {
            var generator = SeededGenerator(seed: UInt64(seed))
            let planted = PermutedBlockDiagonal(
                blocks: Self.factor([4, 16, 16], seed: UInt64(100 + seed)), rowOrder: .random(64, using: &generator),
                columnOrder: .random(64, using: &generator))
            let fit = try PermutedBlockDiagonalFitter(blocks: 4).fit(
                planted.dense(), objective: .frobenius, size: .fraction(0.5), context: FitContext(seed: UInt64(seed)))
            if fit.relativeError < 1e-10 { recovered += 1 }
        }
        #expect(recovered > 18)
    }

    /// Without structure 1 / g of the energy lies in given blocks; choosing them keeps 0.41 instead of 0.25 here.
    @Test func noiseKeepsLittleMoreThanItsShare() throws {
        let fit = try PermutedBlockDiagonalFitter(blocks: 4).fit(
            Instances.random(64, 64), objective: .frobenius, size: .fraction(0.5))
        let plain = try BlockDiagonalFitter(blocks: 4).fit(
            Instances.random(64, 64), objective: .frobenius, size: .fraction(0.5))
        #expect(fit.relativeError < plain.relativeError)
        #expect(fit.relativeError > 0.5 && fit.relativeError < 0.7)
    }

    @Test func orderingHelpsUnderActivations() throws {
        let weight = Instances.random(32, 48)
        let objective = Objective.activations(try Instances.correlatedGram(48))
        let ordered = try PermutedBlockDiagonalFitter(blocks: 4).fit(weight, objective: objective, size: Self.half)
        let plain = try BlockDiagonalFitter(blocks: 4).fit(weight, objective: objective, size: Self.half)
        #expect(ordered.relativeError < plain.relativeError)
    }

    // MARK: Low-rank in fewer numbers

    @Test func fullRankEliminationIsExact() throws {
        for (rows, columns) in [(20, 20), (12, 18), (18, 12)] {
            let weight = Instances.random(rows, columns)
            let fit = try LDUFitter().fit(weight, objective: .frobenius, size: .parameters(rows * columns))
            #expect(fit.relativeError < 1e-10)
            #expect(fit.matrix.cost.parameters == rows * columns)
            // Complete pivoting keeps both triangles below one.
            #expect((fit.matrix.lower.values + fit.matrix.upper.values).allSatisfy { abs($0) <= 1 })
        }
    }

    /// r^2 fewer numbers for the same matrix, so a higher rank for the same numbers.
    @Test func sameMatrixInFewerNumbers() throws {
        let (rows, columns) = (32, 48)
        let weight = try Instances.decaying(rows, columns)
        for objective in try Instances.weighted(rows, columns) {
            let svd = try LowRankFactorisation(weight, objective: objective)
            for rank in [1, 7, 20, 32] {
                let size = SizeBudget.parameters(rank * (rows + columns - rank))
                let interpolative = try InterpolativeFitter().fit(weight, objective: objective, size: size)
                let ldu = try LDUFitter().fit(weight, objective: objective, size: size)
                #expect(interpolative.matrix.rank == rank && ldu.matrix.rank == rank)
                for error in [interpolative.relativeError, ldu.relativeError] {
                    #expect(abs(error - svd.relativeError(rank: rank)) < 1e-5 * max(svd.relativeError(rank: rank), 1e-3))
                }
            }
            let size = SizeBudget.parameters(rows * columns / 2)
            let lowRank = try ActivationSVDFitter().fit(weight, objective: objective, size: size)
            #expect(
                try InterpolativeFitter().fit(weight, objective: objective, size: size).relativeError
                    < lowRank.relativeError)
        }
    }

    @Test func plantedLowRankComesBackInFewerNumbers() throws {
        let weight = Instances.lowRank(30, 40, rank: 6)
        for rank in [6, 9] {
            let size = SizeBudget.parameters(rank * (70 - rank))
            #expect(try InterpolativeFitter().fit(weight, objective: .frobenius, size: size).relativeError < 1e-10)
            #expect(try LDUFitter().fit(weight, objective: .frobenius, size: size).relativeError < 1e-10)
        }
    }

    // MARK: Low-rank by other ways

    @Test func otherRootsGiveTheSameFit() throws {
        let weight = try Instances.decaying(24, 36)
        for objective in try Instances.weighted(24, 36) {
            let reference = try ActivationSVDFitter().fit(weight, objective: objective, size: Self.half)
            let eigen = try ActivationEigenFitter().fit(weight, objective: objective, size: Self.half)
            let outputs = try FeatureMimickingFitter().fit(weight, objective: objective, size: Self.half)
            for fit in [eigen, outputs] {
                #expect(abs(fit.relativeError - reference.relativeError) < 1e-5 * reference.relativeError)
            }
        }
    }

    /// The affine map: mean outputs stay, and the outputs' error is below that of the best linear map.
    @Test func meansMoveIntoTheBias() throws {
        let (rows, columns, tokens) = (10, 16, 200)
        let weight = Instances.random(rows, columns)
        let noise = Instances.random(tokens, columns, seed: 2)
        let inputs = Matrix(rows: tokens, columns: columns) { noise[$0, $1] + Float($1 % 3) }
        let wide = inputs.converted(to: Double.self)
        let gram = try Gram(inputs: wide, relativeDamping: 0)
        let mean = (0..<columns).map { column in (0..<tokens).reduce(0) { $0 + wide[$1, column] } / Double(tokens) }
        let objective = Objective.activations(gram)
        let linear = try ActivationSVDFitter().fit(weight, objective: objective, size: Self.half)
        let fitter = FeatureMimickingFitter(mean: mean)
        let affine = try fitter.fit(weight, objective: objective, size: Self.half)
        let bias = fitter.biasChange(of: affine.matrix, for: weight)
        let exact = inputs.multiplied(by: weight, transposeOther: true)
        func error(_ matrix: LowRank, _ bias: [Float]) throws -> (squared: Double, mean: Double) {
            let outputs = try matrix.multiply(inputs)
            var (squared, worst) = (0.0, 0.0)
            for row in 0..<rows {
                var sum = 0.0
                for token in 0..<tokens {
                    let difference = Double(outputs[token, row] + bias[row] - exact[token, row])
                    squared += difference * difference
                    sum += difference
                }
                worst = max(worst, abs(sum) / Double(tokens))
            }
            return (squared, worst)
        }
        let (withBias, without) = (
            try error(affine.matrix, bias), try error(linear.matrix, [Float](repeating: 0, count: rows))
        )
        #expect(withBias.squared < without.squared)
        #expect(withBias.mean < 1e-4 && without.mean > 1e-3)
        #expect(
            throws: FittingError.invalidOption(fitter: "output-pca", option: "mean", expected: "16 numbers", got: 2)
        ) { try FeatureMimickingFitter(mean: [0, 0]).fit(weight, objective: objective, size: Self.half) }
    }
}
