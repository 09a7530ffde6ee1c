import Fitting
import ModelFiles
import Tensors

/// Fisher information of weights, summed over their columns and over their rows, in a NumPy archive.
///
/// `MATRIX.rows` has a number for each output of a matrix, `MATRIX.columns` one for each input: sums of squared gradients of
/// the loss, each example's squared before they are added (FWSVD, arXiv 2207.00112). Either may be missing; that side
/// counts evenly.
public struct FisherArchive: Sendable {
    private let archive: NumPyArchive

    /// - Throws: `ModelFileError`.
    public init(file: String) throws {
        archive = try NumPyArchive(file: file)
    }

    public var file: String { archive.file }

    /// - Parameter isOnly: whether the matrix is the only one there is, so that plain `rows` and `columns` are its own too.
    /// - Throws: `CompressionError.noFisherWeights` where the archive has neither array; `ModelFileError`,
    ///   `FittingError.invalidFisherWeight`.
    func weights(of matrix: String, isOnly: Bool) throws -> FisherWeighting {
        func side(_ name: String) throws -> [Double]? {
            let candidates = [matrix + "." + name] + (isOnly ? [name] : [])
            guard let found = candidates.first(where: archive.names.contains) else { return nil }
            return try archive.array(named: found).elements.map(Double.init)
        }
        let (rows, columns) = (try side("rows"), try side("columns"))
        guard rows != nil || columns != nil else {
            let expected = ["rows", "columns"].map { isOnly ? $0 : matrix + "." + $0 }
            throw CompressionError.noFisherWeights(file: file, expected: expected, names: archive.names)
        }
        return try FisherWeighting(rows: rows, columns: columns)
    }
}
