/// What a factorisation can refuse; every message is one line.
public enum LinearAlgebraError: Error, Equatable, CustomStringConvertible {
    case notFinite(operation: String)
    case noConvergence(operation: String, rows: Int, columns: Int)
    case tooLarge(operation: String, rows: Int, columns: Int)

    /// What a routine's non-zero `info` means.
    init(info: Int, operation: String, rows: Int, columns: Int) {
        self =
            info == lapackWorkspaceTooLarge
            ? .tooLarge(operation: operation, rows: rows, columns: columns)
            : .noConvergence(operation: operation, rows: rows, columns: columns)
    }

    public var description: String {
        switch self {
        case .notFinite(let operation):
            "\(operation): the matrix holds NaN or infinite numbers"
        case .noConvergence(let operation, let rows, let columns):
            "\(operation) of a \(rows) x \(columns) matrix did not converge"
        case .tooLarge(let operation, let rows, let columns):
            "\(operation): a \(rows) x \(columns) matrix is too large for the linear algebra library"
        }
    }
}
