/// What a command can find wrong with its arguments and inputs once they are parsed; every message is one line.
enum CommandError: Error, CustomStringConvertible {
    case wrongKind(command: String, model: String, expected: String, got: String)
    case outputExists(path: String)
    case conflictingOptions(String)
    case inputNotReadable(path: String, reason: String)
    /// `line` counts from 1; nil when the whole file was looked at.
    case notText(path: String, line: Int?)
    case emptyText(path: String)
    case notFinite(model: String, what: String)
    case notRepresentable(tensor: String, value: Float, precision: String)
    case outputNotWritable

    var description: String {
        switch self {
        case .wrongKind(let command, let model, let expected, let got):
            "\(model): \(command) needs \(expected), got \(got)"
        case .outputExists(let path):
            "\(path): exists and is not empty (--force replaces it)"
        case .conflictingOptions(let what):
            what
        case .inputNotReadable(let path, let reason):
            "\(path): cannot be read: \(reason)"
        case .notText(let path, let line):
            "\(path): \(line.map { "line \($0) is" } ?? "it is") not UTF-8 text"
        case .emptyText(let path):
            "\(path): holds no text"
        case .notFinite(let model, let what):
            "\(model): \(what) holds NaN or infinite numbers"
        case .notRepresentable(let tensor, let value, let precision):
            "tensor '\(tensor)': \(value) is too large for \(precision)"
        case .outputNotWritable:
            "standard output cannot be written"
        }
    }
}
