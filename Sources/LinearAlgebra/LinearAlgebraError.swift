/// What a factorisation can refuse; every message is one line.
public enum LinearAlgebraError: Error, Equatable, CustomStringConvertible {
    case notFinite(operation: String)
    case noConvergence(operation: String, rows: Int, columns: Int)

    public var description: String {
        switch self {
        case .notFinite(let operation):
            "\(operation): the matrix holds NaN or infinite numbers"
        case .noConvergence(let operation, let rows, let columns):
            "\(operation) of a \(rows) x \(columns) matrix did not converge"
        }
    }
}
