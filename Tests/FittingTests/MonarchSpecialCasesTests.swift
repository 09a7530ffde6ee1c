import Fitting
import Foundation
import StructuredMatrices
import Tensors
import Testing

/// Transforms of size n = a c that are Monarch matrices exactly, found by the projection.
@Suite struct MonarchSpecialCasesTests {
    /// The DFT in real numbers (real and imaginary parts next to each other): with inputs t = t1 c + t2 in the order (t2, t1)
    /// and outputs f = f1 + a f2 in the order (f1, f2) every block is a complex matrix of rank 1, a real one of rank 2.
    @Test(arguments: [(4, 4), (6, 8), (16, 16)])
    func discreteFourierTransform(a: Int, c: Int) throws {
        let n = a * c
        let matrix = Matrix(rows: 2 * n, columns: 2 * n) { row, column in
            let (output, input) = (row / 2, column / 2)
            let (f, t) = (output / c + a * (output % c), input % a * c + input / a)
            let angle = -2 * Double.pi * Double(f * t % n) / Double(n)
            switch (row % 2, column % 2) {
            case (0, 0), (1, 1): return Float(cos(angle))
            case (0, _): return Float(-sin(angle))
            default: return Float(sin(angle))
            }
        }
        let size = SizeBudget.parameters(4 * n * (a + c))
        let fit = try MonarchFitter(inputBlocks: c, outputGroups: a, grouping: .contiguous).fit(
            matrix, objective: .frobenius, size: size)
        #expect(fit.matrix.rank == 2)
        #expect(fit.relativeError < 1e-12)
        #expect(fit.matrix.cost.multiplyAdds == 4 * n * (a + c))

        // Applied, it is the transform: a signal against the sum that defines it.
        let signal = (0..<n).map { cos(0.3 * Double($0)) + Double($0 % 5) }
        let x = Matrix(rows: 1, columns: 2 * n) { _, column in
            column % 2 == 0 ? Float(signal[column / 2 % a * c + column / 2 / a]) : 0
        }
        let y = try fit.matrix.multiply(x)
        let scale = signal.reduce(0) { $0 + abs($1) }
        for output in 0..<n {
            let f = output / c + a * (output % c)
            let angles = (0..<n).map { -2 * Double.pi * Double(f * $0 % n) / Double(n) }
            let real = zip(signal, angles).reduce(0) { $0 + $1.0 * cos($1.1) }
            let imaginary = zip(signal, angles).reduce(0) { $0 + $1.0 * sin($1.1) }
            #expect(abs(Double(y[0, 2 * output]) - real) < 1e-5 * scale)
            #expect(abs(Double(y[0, 2 * output + 1]) - imaginary) < 1e-5 * scale)
        }
    }

    /// In its natural order, rows grouped by their last digit: blocks of rank 1.
    @Test(arguments: [(4, 4), (8, 4), (16, 16)])
    func hadamardTransform(a: Int, c: Int) throws {
        let n = a * c
        let matrix = Matrix(rows: n, columns: n) { row, column in
            (row & column).nonzeroBitCount % 2 == 0 ? 1 : -1
        }
        let fit = try MonarchFitter(inputBlocks: a, outputGroups: c, grouping: .strided).fit(
            matrix, objective: .frobenius, size: .parameters(n * (a + c)))
        #expect(fit.matrix.rank == 1)
        #expect(fit.relativeError < 1e-12)
        let twice = fit.matrix.dense().multiplied(by: fit.matrix.dense())
        let identity = Matrix(rows: n, columns: n) { $0 == $1 ? Float(n) : 0 }
        #expect((twice - identity).squaredNorm < 1e-10 * identity.squaredNorm)
    }

    /// A product of log2 n butterfly factors with any numbers in them, 2 n log2 n in all, is a Monarch matrix of rank 1.
    @Test func productsOfButterflies() throws {
        let n = 16
        var generator = SeededGenerator(seed: 1)
        var product = Matrix.identity(n)
        for stride in [1, 2, 4, 8] {
            var factor = Matrix(rows: n, columns: n)
            for row in 0..<n {
                factor[row, row] = Float(generator.nextNormal())
                factor[row, row ^ stride] = Float(generator.nextNormal())
            }
            product = factor.multiplied(by: product)
        }
        let fit = try MonarchFitter(inputBlocks: 4, outputGroups: 4, grouping: .strided).fit(
            product, objective: .frobenius, size: .parameters(8 * n))
        #expect(fit.matrix.rank == 1)
        #expect(fit.relativeError < 1e-11)
    }

    /// A block tensor-train of two cores is a Monarch matrix of consecutive rows; with whole ranks any matrix is one.
    @Test func wholeRanksAreExact() throws {
        let weight = Instances.random(24, 36)
        let fit = try BTTFitter().fit(weight, objective: .frobenius, size: .fraction(4))
        #expect(fit.relativeError < 1e-10)
        #expect(!fit.matrix.strided && fit.matrix.inputBlocks == 6 && fit.matrix.outputGroups == 4)
    }

    @Test func blockTensorTrainSweepsBeatTheirStart() throws {
        let weight = try Instances.decaying(36, 36)
        let objective = Objective.activations(try Instances.correlatedGram(36))
        let swept = try BTTFitter().fit(weight, objective: objective, size: .fraction(0.5))
        let start = try MonarchFitter(
            inputBlocks: swept.matrix.inputBlocks, outputGroups: swept.matrix.outputGroups, sweeps: 0
        ).fit(weight, objective: objective, size: .fraction(0.5))
        #expect(swept.matrix.inputBlocks > 1 && swept.relativeError < 0.9 * start.relativeError)
    }
}
