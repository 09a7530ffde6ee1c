import StructuredMatrices

/// Why a fit was refused; every message is one line and starts with the matrix's name.
public enum FittingError: Error, Equatable, CustomStringConvertible {
    case emptyWeight(matrix: String, shape: MatrixShape)
    case notFiniteWeight(matrix: String, row: Int, column: Int)
    case notFiniteGram(row: Int, column: Int)
    case gramNotSquare(rows: Int, columns: Int)
    case gramMismatch(matrix: String, shape: MatrixShape, gramSize: Int)
    case invalidFisherWeight(side: String, index: Int)
    case fisherMismatch(matrix: String, side: String, expected: Int, got: Int)
    case shapeMismatch(matrix: String, expected: MatrixShape, got: MatrixShape)
    case budgetBelowMinimum(
        matrix: String, family: String, shape: MatrixShape, budget: SizeBudget, minimum: Cost)
    case invalidOption(fitter: String, option: String, expected: String, got: Int)
    case indivisible(matrix: String, family: String, shape: MatrixShape, blocks: Int)
    case ungroupable(matrix: String, family: String, shape: MatrixShape, group: Int)
    case unsuitablePart(fitter: String, expected: String, got: String)
    case cancelled(matrix: String)

    public var description: String {
        switch self {
        case .emptyWeight(let matrix, let shape):
            "\(matrix): a \(shape) weight has nothing to fit"
        case .notFiniteWeight(let matrix, let row, let column):
            "\(matrix): the weight is NaN or infinite at row \(row), column \(column)"
        case .notFiniteGram(let row, let column):
            "Gram matrix: NaN or infinite at row \(row), column \(column)"
        case .gramNotSquare(let rows, let columns):
            "Gram matrix: expected a square matrix, got \(rows) x \(columns)"
        case .gramMismatch(let matrix, let shape, let gramSize):
            "\(matrix): a \(shape) weight needs a Gram matrix of size \(shape.columns), got \(gramSize)"
        case .invalidFisherWeight(let side, let index):
            "Fisher weights: that of \(side) \(index) is negative, NaN or infinite"
        case .fisherMismatch(let matrix, let side, let expected, let got):
            "\(matrix): expected \(expected) Fisher weights of \(side)s, got \(got)"
        case .shapeMismatch(let matrix, let expected, let got):
            "\(matrix): expected a \(expected) matrix, got \(got)"
        case .budgetBelowMinimum(let matrix, let family, let shape, let budget, let minimum):
            "\(matrix): \(budget) is below the smallest \(family) form of a \(shape) matrix "
                + "(\(minimum.parameters) parameters, \(minimum.storedBytes) bytes, \(minimum.multiplyAdds) multiply-adds)"
        case .invalidOption(let fitter, let option, let expected, let got):
            "\(fitter): option '\(option)': expected \(expected), got \(got)"
        case .indivisible(let matrix, let family, let shape, let blocks):
            "\(matrix): \(family) cannot cut a \(shape) matrix into \(blocks) blocks each way"
        case .ungroupable(let matrix, let family, let shape, let group):
            "\(matrix): \(family) cannot cut the rows of a \(shape) matrix into groups of \(group)"
        case .unsuitablePart(let fitter, let expected, let got):
            "\(fitter): the matrix it starts from must be \(expected), got \(got)"
        case .cancelled(let matrix):
            "\(matrix): the fit was cancelled"
        }
    }
}
