import Foundation
import ModelFiles
import Tensors
import Testing

/// A .npy file with any header.
func numPyFile(_ header: String, data: [UInt8] = [], version: UInt8 = 1) -> [UInt8] {
    let length = header.utf8.count
    let lengthBytes = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + lengthBytes + Array(header.utf8) + data
}

@Suite struct NumPyTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private static func header(_ type: String, _ shape: String, columnMajor: Bool = false) -> String {
        "{'descr': '\(type)', 'fortran_order': \(columnMajor ? "True" : "False"), 'shape': \(shape), }\n"
    }

    private static func bytes<Number>(_ numbers: [Number]) -> [UInt8] { numbers.withUnsafeBytes { Array($0) } }

    private func read(_ bytes: [UInt8]) throws -> NumPyArray {
        try NumPyArray(file: folder.write(bytes, to: "array.npy"))
    }

    /// Written by NumPy 2.4: arange(6).reshape(2, 3) / 4 as f4, row-major and column-major.
    static let fromNumPy = [
        "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPgAAAD8AAEA/AACAPwAAoD8=",
        "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAABAPwAAgD4AAIA/AAAAPwAAoD8=",
    ]

    @Test(arguments: fromNumPy)
    func whatNumPyWritesIsRead(base64: String) throws {
        let array = try read(Array(try #require(Data(base64Encoded: base64))))
        #expect(array.matrix == Matrix(rows: 2, columns: 3) { Float(3 * $0 + $1) / 4 })
    }

    @Test func whatIsWrittenIsWhatNumPyWrites() throws {
        let array = NumPyArray(Matrix(rows: 2, columns: 3) { Float(3 * $0 + $1) / 4 })
        #expect(Data(array.bytes) == Data(base64Encoded: Self.fromNumPy[0]))
        let path = folder.file("written.npy")
        try array.write(to: path)
        #expect(try NumPyArray(file: path) == array)
        let vector = NumPyArray([1, -2, .pi])
        #expect(try read(vector.bytes) == vector)
        #expect(vector.matrix.rows == 1 && vector.matrix.columns == 3)
    }

    @Test(arguments: [UInt8(1), 2, 3])
    func everyVersionIsRead(version: UInt8) throws {
        let header = #"{"shape": (2L, 1), "fortran_order": False, "descr": "<f4"}"#
        let array = try read(numPyFile(header, data: Self.bytes([Float(1.5), -2]), version: version))
        #expect(array.shape == [2, 1] && array.elements == [1.5, -2])
    }

    @Test func everyTypeIsRead() throws {
        func check(_ type: String, _ data: [UInt8], _ expected: [Float]) throws {
            #expect(try read(numPyFile(Self.header(type, "(\(expected.count),)"), data: data)).elements == expected, "\(type)")
        }
        try check("<f2", Self.bytes([UInt16(0x3C00), 0xC000]), [1, -2])
        try check("<f4", Self.bytes([Float(0.1), -3e38]), [0.1, -3e38])
        try check("<f8", Self.bytes([0.1, 1e-3, 1e300]), [0.1, 1e-3, .infinity])
        try check("|i1", Self.bytes([Int8(-128), 127]), [-128, 127])
        try check("<i1", Self.bytes([Int8(-1)]), [-1])
        try check("|u1", [0, 255], [0, 255])
        try check("<i2", Self.bytes([Int16.min, 5]), [-32768, 5])
        try check("<u2", Self.bytes([UInt16.max]), [65535])
        try check("<i4", Self.bytes([Int32(-7), 16_777_217]), [-7, 16_777_216])
        try check("<u4", Self.bytes([UInt32.max]), [4_294_967_296])
        try check("<i8", Self.bytes([Int64.min]), [-9_223_372_036_854_775_808])
        try check("<u8", Self.bytes([UInt64(3)]), [3])
        try check("<f4", [], [])
    }

    struct Refusal: CustomTestStringConvertible, Sendable {
        let bytes: [UInt8]
        let problem: NumPyProblem
        let message: String
        var testDescription: String { message }

        init(_ bytes: [UInt8], _ problem: NumPyProblem, _ message: String) {
            (self.bytes, self.problem, self.message) = (bytes, problem, message)
        }
    }

    static let refusals = [
        Refusal([], .notNumPy, "not a NumPy array: expected the bytes 93 'NUMPY' at its start"),
        Refusal(
            numPyFile(header("<f4", "()"), version: 4), .unsupportedVersion(major: 4, minor: 0),
            "NumPy format version 4.0, expected 1.0, 2.0 or 3.0"),
        Refusal(
            Array(numPyFile(header("<f4", "()"))[..<20]), .headerPastEnd(byteCount: 56, available: 10),
            "a NumPy header of 56 bytes, but only 10 follow (file cut short?)"),
        Refusal(
            [0x93] + Array("NUMPY".utf8) + [2, 0, 0xFF, 0xFF, 0xFF, 0xFF],
            .headerTooLong(byteCount: 4_294_967_295, limit: 65_536),
            "a NumPy header of 4294967295 bytes; at most 65536 are allowed"),
        Refusal(
            numPyFile("{'descr': '<f4', 'shape': (1,), 'fortran_order': 1}"),
            .headerMalformed(offset: 49, expected: "True or False"), "NumPy header: expected True or False at byte 49"),
        Refusal(
            numPyFile(header("<f4", "(-1,)")), .headerMalformed(offset: 51, expected: "a whole number from 0"),
            "NumPy header: expected a whole number from 0 at byte 51"),
        Refusal(
            numPyFile(header("<f4", "(99999999999999999999,)")),
            .headerMalformed(offset: 51, expected: "a number up to 9223372036854775807"),
            "NumPy header: expected a number up to 9223372036854775807 at byte 51"),
        Refusal(
            numPyFile("{'descr': '<f4', 'descr': '<f4'}"), .repeatedKey("descr"), "NumPy header: \"descr\" occurs twice"),
        Refusal(numPyFile("{'descr': '<f4'}"), .missingKey("fortran_order"), "NumPy header: \"fortran_order\" is missing"),
        Refusal(
            numPyFile("{'colour': 1}"), .unknownKey("colour"),
            "NumPy header: expected 'descr', 'fortran_order' and 'shape', got \"colour\""),
        Refusal(
            numPyFile("{'descr': [('a', '<f4')]}"), .structuredType, "records of several fields; expected plain numbers"),
        Refusal(
            numPyFile(header(">f4", "(1,)")), .bigEndian(">f4"),
            "numbers of type \">f4\" are big-endian; expected little-endian ones"),
        Refusal(
            numPyFile(header("<c8", "(1,)")), .unsupportedType("<c8"),
            "numbers of type \"<c8\"; expected one of <f2, <f4, <f8, |i1, |u1, <i2, <u2, <i4, <u4, <i8, <u8"),
        Refusal(
            numPyFile(header("<f4", "(1, 2, 3)")), .unsupportedDimensions(shape: [1, 2, 3]),
            "shape [1, 2, 3]; expected one or two dimensions"),
        Refusal(
            numPyFile(header("<f8", "(4611686018427387904, 2)")), .tooLarge(shape: [4_611_686_018_427_387_904, 2]),
            "shape [4611686018427387904, 2] has more bytes than can be addressed"),
        Refusal(
            numPyFile(header("<f4", "(1000000, 1000000)"), data: [1, 2, 3, 4]),
            .byteCountMismatch(shape: [1_000_000, 1_000_000], elementType: "F32", expected: 4_000_000_000_000, got: 4),
            "shape [1000000, 1000000] of F32 takes 4000000000000 bytes, the file has 4"),
    ]

    @Test(arguments: refusals)
    func whatCannotBeReadIsSaid(refusal: Refusal) throws {
        let file = try folder.write(refusal.bytes, to: "bad.npy")
        let error = #expect(throws: ModelFileError.self) { try NumPyArray(file: file) }
        #expect(error == .numPy(file: file, array: nil, refusal.problem))
        #expect(error?.description == "\(file): \(refusal.message)")
    }

    @Test func headersThatAreNotTextAreRefused() throws {
        var bytes = numPyFile(Self.header("<f4", "(0,)"))
        bytes[12] = 0xFF
        let file = try folder.write(bytes, to: "bad.npy")
        #expect(throws: ModelFileError.numPy(file: file, array: nil, .headerNotText)) { try NumPyArray(file: file) }
    }

    /// Hundreds of damaged headers: each opens as an array of the numbers that are there, or gives one line.
    @Test func damagedFilesAreReadOrRefused() throws {
        let valid = numPyFile(Self.header("<f4", "(2, 3)"), data: Self.bytes([Float](repeating: 1, count: 6)))
        var generator = SeededGenerator(seed: 3)
        var mutants = (0..<valid.count).map { Array(valid[..<$0]) }
        for position in valid.indices {
            let random = UInt8(truncatingIfNeeded: generator.next())
            for byte in [random, valid[position] ^ 1, 0xFF, UInt8(ascii: "'"), UInt8(ascii: "9"), UInt8(ascii: "(")]
            where byte != valid[position] {
                mutants.append(valid)
                mutants[mutants.count - 1][position] = byte
            }
            mutants.append(Array(valid[..<position] + valid[(position + 1)...]))
            mutants.append(Array(valid[...position] + valid[position...]))
        }
        #expect(mutants.count > 600)
        var refused = 0
        for mutant in mutants {
            let file = try folder.write(mutant, to: "mutant.npy")
            if isRefused(file) { refused += 1 }
        }
        #expect(refused > mutants.count * 3 / 4 && refused < mutants.count)
    }

    /// Reads the array; says whether there was an error, and checks its line.
    private func isRefused(_ file: String) -> Bool {
        do throws(ModelFileError) {
            let array = try NumPyArray(file: file)
            #expect(array.elements.count == array.shape.reduce(1, *))
            return false
        } catch {
            #expect("\(error)".hasPrefix(file + ": ") && !"\(error)".contains("\n"))
            return true
        }
    }
}
