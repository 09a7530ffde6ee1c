import Foundation
import LinearAlgebra
import Tensors

/// What the singular values of a matrix say about how well it compresses.
public struct SpectrumSummary: Sendable, Codable, Equatable {
    public let rows: Int
    public let columns: Int
    /// Descending, min(rows, columns) of them.
    public let singularValues: [Double]
    /// How many directions hold 90 % and 99 % of the energy (the sum of squared singular values).
    public let rank90: Int
    public let rank99: Int
    /// exp of the entropy of the singular values over their sum (Roy and Vetterli 2007).
    public let effectiveRank: Double
    /// Energy over the largest squared singular value.
    public let stableRank: Double
    /// The rank up to which U V costs no more than W: floor(rows columns / (rows + columns)).
    public let breakEvenRank: Int

    /// The spectrum of W, or, with a Gram matrix G of its inputs (columns x columns), of W L with G = L L^T: then energy is
    /// the mean squared output.
    ///
    /// Exact to about 1e-8 of the largest value: eigenvalues, in `Double`, of the smaller of A A^T and A^T A; about
    /// k^2 (m + n + 4 k) operations with k = min(m, n).
    /// - Throws: `LinearAlgebraError`; `AnalysisError.shapeMismatch` for a Gram matrix of another size.
    public init(_ matrix: Matrix, gram: DoubleMatrix? = nil) throws {
        var weight = matrix.converted(to: Double.self)
        if let gram {
            guard gram.rows == matrix.columns, gram.columns == matrix.columns else {
                throw AnalysisError.shapeMismatch(
                    what: "Gram matrix", expected: "\(matrix.columns) x \(matrix.columns)",
                    got: "\(gram.rows) x \(gram.columns)")
            }
            weight = weight.multiplied(by: try SymmetricRoot(gram).factor)
        }
        let smaller = weight.rows < weight.columns ? weight.transposed().gramian() : weight.gramian()
        let eigenvalues = try SymmetricEigen(smaller).values
        self.init(
            rows: matrix.rows, columns: matrix.columns,
            singularValues: eigenvalues.reversed().map { max($0, 0).squareRoot() })
    }

    /// From singular values that are known already.
    public init(rows: Int, columns: Int, singularValues: [Double]) {
        self.rows = rows
        self.columns = columns
        self.singularValues = singularValues
        let energies = singularValues.map { $0 * $0 }
        rank90 = Self.rank(holding: 0.9, of: energies)
        rank99 = Self.rank(holding: 0.99, of: energies)
        let sum = singularValues.reduce(0, +)
        let entropy = singularValues.reduce(0.0) { entropy, value in
            value > 0 ? entropy - value / sum * log(value / sum) : entropy
        }
        effectiveRank = sum > 0 ? exp(entropy) : 0
        stableRank = energies.first.map { $0 > 0 ? energies.reduce(0, +) / $0 : 0 } ?? 0
        breakEvenRank = rows + columns > 0 ? rows * columns / (rows + columns) : 0
    }

    /// Share of the energy that the leading `rank` directions hold, 0 to 1; 1 for a matrix of zeros.
    public func energy(rank: Int) -> Double {
        let total = singularValues.reduce(0) { $0 + $1 * $1 }
        return total > 0 ? singularValues.prefix(max(0, rank)).reduce(0) { $0 + $1 * $1 } / total : 1
    }

    private static func rank(holding share: Double, of energies: [Double]) -> Int {
        let target = share * energies.reduce(0, +)
        guard target > 0 else { return 0 }
        var sum = 0.0
        for (index, energy) in energies.enumerated() {
            sum += energy
            if sum >= target { return index + 1 }
        }
        return energies.count
    }
}
