/// Why a tokenizer file cannot be used. Every case names the file; the description is one line.
public enum TokenizerError: Error, Equatable, Sendable {
    case unreadable(file: String, reason: String)
    case invalidJSON(file: String, error: JSONError)
    /// A part of the file is missing or has the wrong form; `path` is where, as in `model.merges[3]`.
    case malformed(file: String, path: String, expected: String, found: String)
    /// The file asks for something this library does not do.
    case unsupported(file: String, path: String, component: String)

    public var file: String {
        switch self {
        case .unreadable(let file, _), .invalidJSON(let file, _), .malformed(let file, _, _, _), .unsupported(let file, _, _): file
        }
    }
}

extension TokenizerError: CustomStringConvertible {
    public var description: String {
        let name = String(String.UnicodeScalarView(file.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : $0 }))
        switch self {
        case .unreadable(_, let reason): return "\(name): cannot be read: \(reason)"
        case .invalidJSON(_, let error): return "\(name): \(error)"
        case .malformed(_, let path, let expected, let found): return "\(name): \(path): expected \(expected), found \(found)"
        case .unsupported(_, let path, let component): return "\(name): \(path): \(component) is not supported"
        }
    }
}
