import Tensors

/// What a .npy header says, checked against the bytes that are there.
///
/// Layout (numpy.lib.format): 93 'NUMPY', two bytes of version, the header's length (little-endian, two bytes in
/// version 1, four in 2 and 3), the header: a Python dictionary of `descr`, `fortran_order` and `shape`; then the
/// numbers without gaps.
struct NumPyHeader: Sendable, Equatable {
    static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
    /// Far above what plain arrays need (NumPy itself stops at 10,000).
    static let byteLimit = 65_536
    /// What `descr` may say, all little-endian.
    static let elementTypes: [(code: String, type: ElementType)] = [
        ("<f2", .f16), ("<f4", .f32), ("<f8", .f64), ("|i1", .i8), ("|u1", .u8), ("<i2", .i16), ("<u2", .u16),
        ("<i4", .i32), ("<u4", .u32), ("<i8", .i64), ("<u8", .u64),
    ]

    let elementType: ElementType
    /// Whether the first index runs fastest.
    let isColumnMajor: Bool
    let shape: [Int]
    /// Where the numbers begin.
    let dataStart: Int

    /// - Parameter isImages: whether it must have four dimensions, not one or two.
    init(file bytes: UnsafeRawBufferPointer, isImages: Bool = false) throws(NumPyProblem) {
        guard bytes.count >= 10, bytes.starts(with: Self.magic) else { throw .notNumPy }
        let (major, minor) = (Int(bytes[6]), Int(bytes[7]))
        guard (1...3).contains(major), minor == 0 else { throw .unsupportedVersion(major: major, minor: minor) }
        let lengthBytes = major == 1 ? 2 : 4
        let headerStart = 8 + lengthBytes
        guard bytes.count >= headerStart else { throw .headerPastEnd(byteCount: 0, available: 0) }
        var length = 0
        for index in 0..<lengthBytes { length |= Int(bytes[8 + index]) << (8 * index) }
        guard length <= Self.byteLimit else { throw .headerTooLong(byteCount: length, limit: Self.byteLimit) }
        guard length <= bytes.count - headerStart else {
            throw .headerPastEnd(byteCount: length, available: bytes.count - headerStart)
        }
        dataStart = headerStart + length
        let text = Array(bytes[headerStart..<dataStart])
        guard String(validating: text, as: UTF8.self) != nil else { throw .headerNotText }
        var literal = PythonLiteral(text)
        let fields = try literal.header()
        (elementType, isColumnMajor, shape) = (fields.elementType, fields.isColumnMajor, fields.shape)

        guard !isImages || (shape.count == 4 && !isColumnMajor) else { throw .notImages(shape: shape) }
        guard isImages || (1...2).contains(shape.count) else { throw .unsupportedDimensions(shape: shape) }
        guard let expected = try? Tensor.byteCount(of: shape, elementType: elementType) else {
            throw .tooLarge(shape: shape)
        }
        guard expected == bytes.count - dataStart else {
            throw .byteCountMismatch(
                shape: shape, elementType: elementType.rawValue, expected: expected, got: bytes.count - dataStart)
        }
    }

    /// The header of a row-major array of `Float`, padded so that the numbers begin at a multiple of 64 bytes.
    static func bytes(shape: [Int]) -> [UInt8] {
        let tuple = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
        let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(tuple)), }"
        let unpadded = 10 + dictionary.utf8.count + 1
        let text = dictionary + String(repeating: " ", count: (64 - unpadded % 64) % 64) + "\n"
        let length = text.utf8.count
        return magic + [1, 0, UInt8(truncatingIfNeeded: length), UInt8(truncatingIfNeeded: length >> 8)]
            + Array(text.utf8)
    }
}

/// Reads the one kind of Python dictionary that a header is; any order of keys, either kind of quote.
private struct PythonLiteral {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func header() throws(NumPyProblem) -> (elementType: ElementType, isColumnMajor: Bool, shape: [Int]) {
        var (elementType, isColumnMajor, shape): (ElementType?, Bool?, [Int]?)
        try expect("{")
        while !skip("}") {
            let key = try text()
            try expect(":")
            switch key {
            case "descr":
                guard elementType == nil else { throw .repeatedKey(key) }
                elementType = try self.elementType()
            case "fortran_order":
                guard isColumnMajor == nil else { throw .repeatedKey(key) }
                isColumnMajor = try boolean()
            case "shape":
                guard shape == nil else { throw .repeatedKey(key) }
                shape = try tuple()
            default: throw .unknownKey(key)
            }
            if !skip(",") {
                try expect("}")
                break
            }
        }
        skipBlanks()
        guard position == bytes.count else { throw .headerMalformed(offset: position, expected: "its end") }
        guard let elementType else { throw .missingKey("descr") }
        guard let isColumnMajor else { throw .missingKey("fortran_order") }
        guard let shape else { throw .missingKey("shape") }
        return (elementType, isColumnMajor, shape)
    }

    private mutating func elementType() throws(NumPyProblem) -> ElementType {
        skipBlanks()
        if position < bytes.count, bytes[position] == UInt8(ascii: "[") { throw .structuredType }
        let code = try text()
        // Where there is one byte only, any order of bytes is the same.
        let plain = ["i1", "u1"].contains(code.dropFirst()) && "<>=|".contains(code.prefix(1)) ? "|" + code.dropFirst() : code
        if let known = NumPyHeader.elementTypes.first(where: { $0.code == plain }) { return known.type }
        throw code.hasPrefix(">") ? .bigEndian(code) : .unsupportedType(code)
    }

    private mutating func boolean() throws(NumPyProblem) -> Bool {
        skipBlanks()
        for (word, value) in [("True", true), ("False", false)] where bytes[position...].starts(with: word.utf8) {
            position += word.utf8.count
            return value
        }
        throw .headerMalformed(offset: position, expected: "True or False")
    }

    private mutating func tuple() throws(NumPyProblem) -> [Int] {
        try expect("(")
        var numbers: [Int] = []
        while !skip(")") {
            numbers.append(try number())
            if !skip(",") {
                try expect(")")
                break
            }
        }
        return numbers
    }

    private mutating func number() throws(NumPyProblem) -> Int {
        skipBlanks()
        let start = position
        var value = 0
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
            let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tenfold.addingReportingOverflow(Int(bytes[position] - UInt8(ascii: "0")))
            guard !overflow, !carry else {
                throw .headerMalformed(offset: start, expected: "a number up to \(Int.max)")
            }
            value = sum
            position += 1
        }
        guard position > start else { throw .headerMalformed(offset: start, expected: "a whole number from 0") }
        // Python 2 wrote long numbers so.
        if position < bytes.count, bytes[position] == UInt8(ascii: "L") { position += 1 }
        return value
    }

    /// A quoted string; names and types hold no escapes.
    private mutating func text() throws(NumPyProblem) -> String {
        skipBlanks()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "'") || bytes[position] == UInt8(ascii: "\"") else {
            throw .headerMalformed(offset: position, expected: "a quoted string")
        }
        let quote = bytes[position]
        guard let end = bytes[(position + 1)...].firstIndex(where: { $0 == quote || $0 == UInt8(ascii: "\\") }),
            bytes[end] == quote
        else { throw .headerMalformed(offset: position, expected: "a quoted string") }
        defer { position = end + 1 }
        return String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
    }

    private mutating func skipBlanks() {
        while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
    }

    private mutating func skip(_ mark: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard position < bytes.count, bytes[position] == UInt8(ascii: mark) else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ mark: Unicode.Scalar) throws(NumPyProblem) {
        guard skip(mark) else { throw .headerMalformed(offset: position, expected: "'\(mark)'") }
    }
}
