import Tensors

/// What can be wrong with one safetensors file; `ModelFileError.safetensors` adds the file's name.
public enum SafetensorsProblem: Error, Equatable, Sendable {
    // The frame: eight bytes of length, the header, the data.
    case tooShort(byteCount: Int)
    case headerEmpty
    case headerTooLong(byteCount: UInt64, limit: Int)
    case headerPastEnd(byteCount: UInt64, available: Int)
    case headerNotUTF8(offset: Int)
    case headerNotAnObject(firstByte: UInt8)
    case headerNotJSON(JSONError)
    case duplicateName(String)
    case metadataNotAnObject(got: String)
    case metadataValueNotAString(key: String, got: String)

    // One tensor's entry.
    case entryNotAnObject(tensor: String, got: String)
    case missingField(tensor: String, field: String)
    case dtypeNotAString(tensor: String, got: String)
    case unknownDtype(tensor: String, dtype: String)
    case shapeNotAnArray(tensor: String, got: String)
    case invalidDimension(tensor: String, axis: Int, got: String)
    case shapeOverflow(tensor: String, elementType: ElementType, shape: [Int])
    case offsetsNotAPair(tensor: String)
    case invalidOffset(tensor: String, got: String)
    case offsetsReversed(tensor: String, begin: Int, end: Int)
    case offsetsPastEnd(tensor: String, end: Int, dataByteCount: Int)
    case byteCountMismatch(tensor: String, elementType: ElementType, shape: [Int], expected: Int, got: Int)

    // Tensors together.
    case overlap(tensor: String, begin: Int, previousEnd: Int)
    case hole(tensor: String, begin: Int, previousEnd: Int)
    case trailingBytes(count: Int)

    // Writing.
    case reservedName(String)
    case tensorMismatch(tensor: String, expected: String, got: String)
    case dataTooLarge
}

extension SafetensorsProblem: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tooShort(let count): "\(count) bytes; a safetensors file has at least 8"
        case .headerEmpty: "the safetensors header is empty"
        case .headerTooLong(let count, let limit):
            "a safetensors header of \(count) bytes; at most \(limit) are allowed"
        case .headerPastEnd(let count, let available):
            "a safetensors header of \(count) bytes, but only \(available) follow (file cut short?)"
        case .headerNotUTF8(let offset): "the safetensors header is not valid UTF-8 at byte \(offset)"
        case .headerNotAnObject(let byte):
            "the safetensors header must start with '{', found byte 0x\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))"
        case .headerNotJSON(let error): "safetensors header: \(error)"
        case .duplicateName(let name): "tensor \(quotedForMessage(name)) occurs twice"
        case .metadataNotAnObject(let got): "__metadata__: expected an object, got \(got)"
        case .metadataValueNotAString(let key, let got):
            "__metadata__ \(quotedForMessage(key)): expected a string, got \(got)"
        case .entryNotAnObject(let tensor, let got): at(tensor, "expected an object, got \(got)")
        case .missingField(let tensor, let field): at(tensor, "\(field) is missing")
        case .dtypeNotAString(let tensor, let got): at(tensor, "dtype: expected a string, got \(got)")
        case .unknownDtype(let tensor, let dtype): at(tensor, "unknown dtype \(quotedForMessage(dtype))")
        case .shapeNotAnArray(let tensor, let got): at(tensor, "shape: expected an array, got \(got)")
        case .invalidDimension(let tensor, let axis, let got):
            at(tensor, "shape: dimension \(axis): expected a whole number from 0 to \(Int.max), got \(got)")
        case .shapeOverflow(let tensor, let type, let shape):
            at(tensor, "shape \(listed(shape)) of \(type.rawValue) has more bytes than can be addressed")
        case .offsetsNotAPair(let tensor): at(tensor, "data_offsets: expected an array of two numbers")
        case .invalidOffset(let tensor, let got):
            at(tensor, "data_offsets: expected whole numbers from 0 to \(Int.max), got \(got)")
        case .offsetsReversed(let tensor, let begin, let end):
            at(tensor, "data_offsets reversed: \(begin) to \(end)")
        case .offsetsPastEnd(let tensor, let end, let count):
            at(tensor, "ends at byte \(end) of the data, which has \(count) (file cut short?)")
        case .byteCountMismatch(let tensor, let type, let shape, let expected, let got):
            at(
                tensor,
                "shape \(listed(shape)) of \(type.rawValue) takes \(expected) bytes, data_offsets give \(got)"
            )
        case .overlap(let tensor, let begin, let end):
            at(
                tensor,
                "begins at byte \(begin) of the data, inside the tensor before it (which ends at \(end))")
        case .hole(let tensor, let begin, let end):
            at(tensor, "begins at byte \(begin) of the data, but the tensor before it ends at \(end)")
        case .trailingBytes(let count): "\(count) bytes after the last tensor"
        case .reservedName(let name): "\(quotedForMessage(name)) cannot be a tensor's name"
        case .tensorMismatch(let tensor, let expected, let got):
            at(tensor, "expected \(expected), got \(got)")
        case .dataTooLarge: "the tensors have more bytes than can be addressed"
        }
    }

    private func at(_ tensor: String, _ what: String) -> String {
        "tensor \(quotedForMessage(tensor)): \(what)"
    }

    private func listed(_ shape: [Int]) -> String { SafetensorsEntry.describe(shape) }
}
