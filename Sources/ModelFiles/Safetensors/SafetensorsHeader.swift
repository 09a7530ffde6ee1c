import Tensors

/// The header of a safetensors file, checked against the file's size.
///
/// Layout (safetensors format description): 8 bytes little-endian header length N; N bytes of JSON, an object from tensor name
/// to dtype, shape and data_offsets, padded with spaces; then the tensors' bytes without hole or overlap.
struct SafetensorsHeader: Sendable {
    /// The reference implementation's cap on N.
    static let byteLimit = 100_000_000
    static let metadataKey = "__metadata__"

    /// In the order of their bytes.
    var entries: [SafetensorsEntry] = []
    var metadata: [(key: String, value: String)] = []
    /// Where the data begin in the file.
    let dataStart: Int

    init(file bytes: UnsafeRawBufferPointer) throws(SafetensorsProblem) {
        guard bytes.count >= 8 else { throw .tooShort(byteCount: bytes.count) }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length > 0 else { throw .headerEmpty }
        guard length <= UInt64(Self.byteLimit) else {
            throw .headerTooLong(byteCount: length, limit: Self.byteLimit)
        }
        guard length <= UInt64(bytes.count - 8) else {
            throw .headerPastEnd(byteCount: length, available: bytes.count - 8)
        }
        dataStart = 8 + Int(length)
        let header = UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart])
        let dataByteCount = bytes.count - dataStart
        try read(Self.members(of: header), dataByteCount: dataByteCount)
        try checkLayout(dataByteCount: dataByteCount)
    }

    private static func members(of header: UnsafeRawBufferPointer) throws(SafetensorsProblem) -> JSONObject {
        guard header[0] == UInt8(ascii: "{") else { throw .headerNotAnObject(firstByte: header[0]) }
        do throws(JSONError) {
            // Three levels: the object, an entry, its shape. Deeper ones are refused below; 8 leaves room for the better message.
            guard let object = try JSONValue.parse(header, maximumDepth: 8).objectValue else {
                throw JSONError.unexpectedByte(header[0], expected: "an object", offset: 0)
            }
            return object
        } catch {
            switch error {
            case .invalidUTF8(let offset): throw .headerNotUTF8(offset: offset)
            case .duplicateKey(let name, _): throw .duplicateName(name)
            default: throw .headerNotJSON(error)
            }
        }
    }

    private mutating func read(_ members: JSONObject, dataByteCount: Int) throws(SafetensorsProblem) {
        entries.reserveCapacity(members.count)
        for (name, value) in members {
            if name.utf8.elementsEqual(Self.metadataKey.utf8) {
                try readMetadata(value)
            } else {
                entries.append(try Self.entry(name, value, dataByteCount: dataByteCount))
            }
        }
    }

    private mutating func readMetadata(_ value: JSONValue) throws(SafetensorsProblem) {
        // The reference reads null as no metadata.
        if value.isNull { return }
        guard let object = value.objectValue else { throw .metadataNotAnObject(got: value.kindDescription) }
        for (key, value) in object {
            guard let text = value.stringValue else {
                throw .metadataValueNotAString(key: key, got: value.kindDescription)
            }
            metadata.append((key, text))
        }
    }

    private static func entry(
        _ name: String, _ value: JSONValue, dataByteCount: Int
    ) throws(SafetensorsProblem) -> SafetensorsEntry {
        guard let fields = value.objectValue else {
            throw .entryNotAnObject(tensor: name, got: value.kindDescription)
        }
        let elementType = try elementType(of: name, fields)
        let shape = try shape(of: name, fields)
        let offsets = try offsets(of: name, fields)
        guard let expected = try? Tensor.byteCount(of: shape, elementType: elementType) else {
            throw .shapeOverflow(tensor: name, elementType: elementType, shape: shape)
        }
        guard offsets.upperBound <= dataByteCount else {
            throw .offsetsPastEnd(tensor: name, end: offsets.upperBound, dataByteCount: dataByteCount)
        }
        guard offsets.count == expected else {
            throw .byteCountMismatch(
                tensor: name, elementType: elementType, shape: shape, expected: expected, got: offsets.count)
        }
        return SafetensorsEntry(name: name, elementType: elementType, shape: shape, dataOffsets: offsets)
    }

    private static func elementType(of name: String, _ fields: JSONObject) throws(SafetensorsProblem)
        -> ElementType
    {
        guard let value = fields["dtype"] else { throw .missingField(tensor: name, field: "dtype") }
        guard let dtype = value.stringValue else {
            throw .dtypeNotAString(tensor: name, got: value.kindDescription)
        }
        guard let elementType = ElementType(rawValue: dtype) else {
            throw .unknownDtype(tensor: name, dtype: dtype)
        }
        return elementType
    }

    private static func shape(of name: String, _ fields: JSONObject) throws(SafetensorsProblem) -> [Int] {
        guard let value = fields["shape"] else { throw .missingField(tensor: name, field: "shape") }
        guard let dimensions = value.arrayValue else {
            throw .shapeNotAnArray(tensor: name, got: value.kindDescription)
        }
        var shape: [Int] = []
        shape.reserveCapacity(dimensions.count)
        for (axis, value) in dimensions.enumerated() {
            guard let dimension = value.intValue, dimension >= 0 else {
                throw .invalidDimension(tensor: name, axis: axis, got: value.messageForm)
            }
            shape.append(dimension)
        }
        return shape
    }

    private static func offsets(of name: String, _ fields: JSONObject) throws(SafetensorsProblem) -> Range<
        Int
    > {
        guard let value = fields["data_offsets"] else {
            throw .missingField(tensor: name, field: "data_offsets")
        }
        guard let pair = value.arrayValue, pair.count == 2 else { throw .offsetsNotAPair(tensor: name) }
        for offset in pair where (offset.intValue ?? -1) < 0 {
            throw .invalidOffset(tensor: name, got: offset.messageForm)
        }
        guard let begin = pair[0].intValue, let end = pair[1].intValue else {
            throw .offsetsNotAPair(tensor: name)
        }
        guard begin <= end else { throw .offsetsReversed(tensor: name, begin: begin, end: end) }
        return begin..<end
    }

    private mutating func checkLayout(dataByteCount: Int) throws(SafetensorsProblem) {
        // Stable for equal ranges, so that tensors without bytes keep the header's order.
        entries = entries.enumerated().sorted { left, right in
            (left.element.dataOffsets.lowerBound, left.element.dataOffsets.upperBound, left.offset)
                < (right.element.dataOffsets.lowerBound, right.element.dataOffsets.upperBound, right.offset)
        }.map(\.element)
        var end = 0
        for entry in entries {
            let begin = entry.dataOffsets.lowerBound
            guard begin >= end else { throw .overlap(tensor: entry.name, begin: begin, previousEnd: end) }
            guard begin == end else { throw .hole(tensor: entry.name, begin: begin, previousEnd: end) }
            end = entry.dataOffsets.upperBound
        }
        guard end == dataByteCount else { throw .trailingBytes(count: dataByteCount - end) }
    }
}

extension JSONValue {
    /// A scalar's value or a container's kind, for one-line messages.
    var messageForm: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .number(let value): String(value)
        case .string(let text): quotedForMessage(text)
        case .array, .object: kindDescription
        }
    }
}
