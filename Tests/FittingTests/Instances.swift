import Fitting
import Foundation
import LinearAlgebra
import Tensors

/// Weights and Gram matrices that the fitters' tests share.
enum Instances {
    static func random(_ rows: Int, _ columns: Int, seed: UInt64 = 1) -> Matrix {
        var generator = SeededGenerator(seed: seed)
        return .random(rows: rows, columns: columns, using: &generator)
    }

    static func lowRank(_ rows: Int, _ columns: Int, rank: Int, seed: UInt64 = 1) -> Matrix {
        random(rows, rank, seed: seed).multiplied(by: random(rank, columns, seed: seed + 100))
    }

    /// Correlated inputs whose eigenvalues fall as 1/i, in a seeded random basis, with a local component so
    /// that neighbouring features go together.
    static func correlatedGram(_ size: Int, seed: UInt64 = 1) throws -> Gram {
        var generator = SeededGenerator(seed: seed)
        let mixing = DoubleMatrix.random(rows: size, columns: size, using: &generator)
        let samples = 4 * size
        var inputs = DoubleMatrix.random(rows: samples, columns: size, using: &generator)
        for row in 0..<samples {
            for column in 0..<size { inputs[row, column] /= Double(column + 1).squareRoot() }
        }
        return try Gram(inputs: inputs.multiplied(by: mixing))
    }

    /// A weight whose singular values fall as 1 / i.
    static func decaying(_ rows: Int, _ columns: Int, seed: UInt64 = 1) throws -> Matrix {
        let svd = try SingularValues(random(rows, columns, seed: seed))
        return SingularValues(
            u: svd.u, values: (0..<svd.values.count).map { 1 / Float($0 + 1) }, vt: svd.vt
        ).product()
    }

    /// Squared gradients of a skewed size, as Fisher information is.
    static func fisher(_ count: Int, seed: UInt64 = 1) -> [Double] {
        var generator = SeededGenerator(seed: seed, stream: "fisher")
        return (0..<count).map { _ in pow(10, 2 * generator.nextUniform() - 1) }
    }

    /// One of every kind.
    static func weighted(_ rows: Int, _ columns: Int) throws -> [Objective] {
        try objectives(columns) + [
            .fisher(rows: fisher(rows)), .fisher(columns: fisher(columns, seed: 2)),
            .fisher(rows: fisher(rows), columns: fisher(columns, seed: 2), activations: correlatedGram(columns)),
        ]
    }

    static func objectives(_ columns: Int) throws -> [Objective] {
        [.frobenius, .activations(try correlatedGram(columns))]
    }
}
