import LinearAlgebra
import Tensors

/// Directions of a residual stream in the order in which they are kept: what a stream is turned into before its end is cut
/// away (SliceGPT, arXiv 2401.15024).
public struct StreamBasis: Sendable {
    /// Which directions.
    public enum Kind: String, Sendable, CaseIterable {
        /// Eigenvectors of the second moments: no other directions lose less of what is seen. The share of the mean diagonal that
        /// the released code adds to the moments moves every eigenvalue and no eigenvector, so it is left out.
        case principal
        /// The stream's own features by their mean squares: what cutting costs without turning.
        case coordinates
    }

    /// features x features, orthogonal; column j is the j-th direction.
    public let directions: DoubleMatrix
    /// Mean square along each direction, descending.
    public let energies: [Double]

    /// - Precondition: as many energies as directions.
    public init(directions: DoubleMatrix, energies: [Double]) {
        precondition(directions.columns == energies.count)
        self.directions = directions
        self.energies = energies
    }

    /// Cost: about 4 n^3 operations for n features.
    /// - Parameter second: mean of x x^T over the tokens, n x n.
    /// - Throws: `LinearAlgebraError`.
    public init(_ kind: Kind, second: DoubleMatrix) throws {
        let count = second.rows
        switch kind {
        case .principal:
            let eigen = try SymmetricEigen(second)
            // Ascending there, a vector a row.
            directions = DoubleMatrix(rows: count, columns: count) { eigen.vectors[count - 1 - $1, $0] }
            energies = eigen.values.reversed()
        case .coordinates:
            guard second.isFinite else { throw LinearAlgebraError.notFinite(operation: "the order of features") }
            let order = (0..<count).sorted { (second[$1, $1], $0) < (second[$0, $0], $1) }
            var directions = DoubleMatrix(rows: count, columns: count)
            for (place, feature) in order.enumerated() { directions[feature, place] = 1 }
            self.directions = directions
            energies = order.map { second[$0, $0] }
        }
    }

    /// The first directions, features x width.
    public func leading(_ width: Int) -> DoubleMatrix {
        directions.block(rows: 0..<directions.rows, columns: 0..<width)
    }

    /// The share of the mean square that is lost when `width` directions are kept; 0 where there is none.
    public func lost(keeping width: Int) -> Double {
        let total = energies.reduce(0) { $0 + max(0, $1) }
        return total > 0 ? energies[width...].reduce(0) { $0 + max(0, $1) } / total : 0
    }
}
