import Tensors

/// What a measurement can refuse; every message is one line.
public enum AnalysisError: Error, Equatable, CustomStringConvertible {
    case notReadable(file: String, reason: String)
    case malformedRow(file: String, line: Int, reason: String)
    case tooFew(what: String, needed: Int, got: Int)
    case invalidWindow(size: Int, maximum: Int)
    case shapeMismatch(what: String, expected: String, got: String)
    case notFinite(what: String)

    public var description: String {
        switch self {
        case .notReadable(let file, let reason):
            "\(pathForMessage(file)): cannot be read: \(reason)"
        case .malformedRow(let file, let line, let reason):
            "\(pathForMessage(file)), line \(line): \(reason)"
        case .tooFew(let what, let needed, let got):
            "at least \(needed) \(what) are needed, got \(got)"
        case .invalidWindow(let size, let maximum):
            "a window has from 2 to \(maximum) tokens with this model, got \(size)"
        case .shapeMismatch(let what, let expected, let got):
            "\(what): expected \(expected), got \(got)"
        case .notFinite(let what):
            "\(what): the numbers are not all finite"
        }
    }
}
