import Tensors
import Testing

import LinearAlgebra

@Suite struct RandomizedSVDTests {
    /// The card's decaying spectrum: s_j = 1 / j.
    static func decaying(_ size: Int) throws -> Matrix {
        var generator = SeededGenerator(seed: 5)
        let left = try QR(Matrix.random(rows: size, columns: size, using: &generator)).q
        let right = try QR(Matrix.random(rows: size, columns: size, using: &generator)).q
        return SingularValues(u: left, values: (1...size).map { 1 / Float($0) }, vt: right).product()
    }

    @Test func plantedRankIsRecovered() throws {
        var generator = SeededGenerator(seed: 1)
        let left = Matrix.random(rows: 90, columns: 6, using: &generator)
        let right = Matrix.random(rows: 6, columns: 70, using: &generator)
        let planted = left.multiplied(by: right)
        let found = try RandomizedSVD(oversampling: 2, powerIterations: 1)(planted, rank: 6, using: &generator)
        #expect((found.product() - planted).squaredNorm < 1e-8 * planted.squaredNorm)
    }

    @Test func withinTwoPerCentOfTheBestAtTwoPowerIterations() throws {
        let matrix = try Self.decaying(80)
        let best = try SingularValues(matrix).values.dropFirst(10).reduce(0) { $0 + Double($1) * Double($1) }
        var errors: [Double] = []
        for powers in 0...2 {
            var generator = SeededGenerator(seed: 3)
            let svd = try RandomizedSVD(oversampling: 5, powerIterations: powers)(matrix, rank: 10, using: &generator)
            errors.append((svd.product() - matrix).squaredNorm)
        }
        #expect(errors[2] <= errors[1] * 1.0001 && errors[1] <= errors[0] * 1.0001)
        #expect(errors[2] >= best * 0.9999 && errors[2] <= best * 1.02 * 1.02)
    }

    /// Halko, Martinsson, Tropp without power iterations, spectral norm, k + p samples and none cut off: theorem 10.6
    /// bounds the mean, corollary 10.9 every draw but for a chance of 6 e^-p.
    @Test func theProbabilisticBoundsHoldOverAHundredDraws() throws {
        let (rank, oversampling) = (8, 8)
        let matrix = try Self.decaying(60)
        let values = try SingularValues(matrix).values.map { Double($0) }
        let tail = values.dropFirst(rank).reduce(0) { $0 + $1 * $1 }.squareRoot()
        let (k, p, next) = (Double(rank), Double(oversampling), values[rank])
        let meanBound = (1 + (k / (p - 1)).squareRoot()) * next + 2.718_281_8 * (k + p).squareRoot() / p * tail
        let bound = (1 + 17 * (1 + k / p).squareRoot()) * next + 8 * (k + p).squareRoot() / (p + 1) * tail
        var sum = 0.0
        for seed in 0..<100 {
            var generator = SeededGenerator(seed: UInt64(seed))
            let sketch = RandomizedSVD(oversampling: 0, powerIterations: 0)
            let found = try sketch(matrix, rank: rank + oversampling, using: &generator)
            let error = Double(try SingularValues(found.product() - matrix).values[0])
            #expect(error <= bound && error >= 0.999 * values[rank + oversampling])
            sum += error
        }
        #expect(sum / 100 <= meanBound)
    }

    @Test func sameSeedSameBits() throws {
        let matrix = try Self.decaying(40)
        var first = SeededGenerator(seed: 8)
        var second = SeededGenerator(seed: 8)
        let svd = RandomizedSVD()
        #expect(try svd(matrix, rank: 4, using: &first).u == svd(matrix, rank: 4, using: &second).u)
    }
}
