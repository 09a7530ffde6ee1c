import Tensors

/// What can be wrong with one .npy array; `ModelFileError.numPy` adds the file's name (and the array's, in an archive).
public enum NumPyProblem: Error, Equatable, Sendable {
    case notNumPy
    case unsupportedVersion(major: Int, minor: Int)
    case headerPastEnd(byteCount: Int, available: Int)
    case headerTooLong(byteCount: Int, limit: Int)
    case headerNotText
    case headerMalformed(offset: Int, expected: String)
    case unknownKey(String)
    case repeatedKey(String)
    case missingKey(String)
    case structuredType
    case bigEndian(String)
    case unsupportedType(String)
    case unsupportedDimensions(shape: [Int])
    case notImages(shape: [Int])
    case tooLarge(shape: [Int])
    case byteCountMismatch(shape: [Int], elementType: String, expected: Int, got: Int)
}

extension NumPyProblem: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notNumPy: "not a NumPy array: expected the bytes 93 'NUMPY' at its start"
        case .unsupportedVersion(let major, let minor):
            "NumPy format version \(major).\(minor), expected 1.0, 2.0 or 3.0"
        case .headerPastEnd(let count, let available):
            "a NumPy header of \(count) bytes, but only \(available) follow (file cut short?)"
        case .headerTooLong(let count, let limit):
            "a NumPy header of \(count) bytes; at most \(limit) are allowed"
        case .headerNotText: "the NumPy header is not UTF-8 text"
        case .headerMalformed(let offset, let expected): "NumPy header: expected \(expected) at byte \(offset)"
        case .unknownKey(let key):
            "NumPy header: expected 'descr', 'fortran_order' and 'shape', got \(quotedForMessage(key))"
        case .repeatedKey(let key): "NumPy header: \(quotedForMessage(key)) occurs twice"
        case .missingKey(let key): "NumPy header: \(quotedForMessage(key)) is missing"
        case .structuredType: "records of several fields; expected plain numbers"
        case .bigEndian(let type): "numbers of type \(quotedForMessage(type)) are big-endian; expected little-endian ones"
        case .unsupportedType(let type):
            "numbers of type \(quotedForMessage(type)); expected one of "
                + NumPyHeader.elementTypes.map(\.code).joined(separator: ", ")
        case .unsupportedDimensions(let shape):
            "shape \(SafetensorsEntry.describe(shape)); expected one or two dimensions"
        case .notImages(let shape):
            "shape \(SafetensorsEntry.describe(shape)); expected images x channels x height x width in C order"
        case .tooLarge(let shape):
            "shape \(SafetensorsEntry.describe(shape)) has more bytes than can be addressed"
        case .byteCountMismatch(let shape, let type, let expected, let got):
            "shape \(SafetensorsEntry.describe(shape)) of \(type) takes \(expected) bytes, the file has \(got)"
        }
    }
}
