import Foundation
import ModelFiles
import Tensors
import Testing

@Suite struct SafetensorsMalformedTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let bytes: [UInt8]
        let problem: SafetensorsProblem
        let message: String
        var testDescription: String { message }

        init(_ bytes: [UInt8], _ problem: SafetensorsProblem, _ message: String) {
            self.bytes = bytes
            self.problem = problem
            self.message = message
        }

        init(_ header: String, data: Int = 0, _ problem: SafetensorsProblem, _ message: String) {
            self.init(safetensors(header, data: [UInt8](repeating: 0, count: data)), problem, message)
        }

        /// A header of one F32 tensor "t" of two elements, with some of it replaced.
        init(
            dtype: String = #""F32""#, shape: String = "[2]", offsets: String = "[0,8]", data: Int = 8,
            _ problem: SafetensorsProblem, _ message: String
        ) {
            self.init(
                #"{"t":{"dtype":\#(dtype),"shape":\#(shape),"data_offsets":\#(offsets)}}"#, data: data,
                problem, message)
        }
    }

    static let frame: [Case] = [
        .init([], .tooShort(byteCount: 0), "0 bytes; a safetensors file has at least 8"),
        .init([1, 2, 3, 4, 5, 6, 7], .tooShort(byteCount: 7), "7 bytes; a safetensors file has at least 8"),
        .init([0, 0, 0, 0, 0, 0, 0, 0, 1], .headerEmpty, "the safetensors header is empty"),
        .init(
            [1, 225, 245, 5, 0, 0, 0, 0], .headerTooLong(byteCount: 100_000_001, limit: 100_000_000),
            "a safetensors header of 100000001 bytes; at most 100000000 are allowed"),
        .init(
            [UInt8](repeating: 255, count: 16), .headerTooLong(byteCount: .max, limit: 100_000_000),
            "a safetensors header of 18446744073709551615 bytes; at most 100000000 are allowed"),
        .init(
            [60, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D], .headerPastEnd(byteCount: 60, available: 2),
            "a safetensors header of 60 bytes, but only 2 follow (file cut short?)"),
        .init(
            safetensors([0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x7D]), .headerNotUTF8(offset: 2),
            "the safetensors header is not valid UTF-8 at byte 2"),
        .init(
            " {}", .headerNotAnObject(firstByte: 0x20),
            "the safetensors header must start with '{', found byte 0x20"),
        .init(
            "[1]", .headerNotAnObject(firstByte: 0x5B),
            "the safetensors header must start with '{', found byte 0x5B"),
        .init(
            "\n", .headerNotAnObject(firstByte: 10),
            "the safetensors header must start with '{', found byte 0x0A"),
        .init(
            #"{"t""#, .headerNotJSON(.unexpectedEnd(offset: 4)),
            "safetensors header: JSON ends too early at byte 4"),
        .init(
            "{} x", .headerNotJSON(.trailingBytes(offset: 3)),
            "safetensors header: bytes after the end of the JSON value at byte 3"),
        .init(
            "{\"t\":" + String(repeating: "[", count: 100_000),
            .headerNotJSON(.tooDeep(limit: 8, offset: 12)),
            "safetensors header: JSON nested deeper than 8 at byte 12"),
        .init(#"{"t":1,"t":2}"#, .duplicateName("t"), #"tensor "t" occurs twice"#),
        .init(
            #"{"__metadata__":[]}"#, .metadataNotAnObject(got: "an array"),
            "__metadata__: expected an object, got an array"),
        .init(
            #"{"__metadata__":{"k":1}}"#, .metadataValueNotAString(key: "k", got: "an integer"),
            #"__metadata__ "k": expected a string, got an integer"#),
        .init("{}", data: 3, .trailingBytes(count: 3), "3 bytes after the last tensor"),
    ]

    static let entries: [Case] = [
        .init(
            #"{"t":null}"#, .entryNotAnObject(tensor: "t", got: "null"),
            #"tensor "t": expected an object, got null"#),
        .init(
            #"{"t":{"shape":[],"data_offsets":[0,4]}}"#, data: 4, .missingField(tensor: "t", field: "dtype"),
            #"tensor "t": dtype is missing"#),
        .init(
            #"{"t":{"dtype":"F32","data_offsets":[0,4]}}"#, data: 4,
            .missingField(tensor: "t", field: "shape"),
            #"tensor "t": shape is missing"#),
        .init(
            #"{"t":{"dtype":"F32","shape":[]}}"#, data: 4, .missingField(tensor: "t", field: "data_offsets"),
            #"tensor "t": data_offsets is missing"#),
        .init(
            dtype: "32", .dtypeNotAString(tensor: "t", got: "an integer"),
            #"tensor "t": dtype: expected a string, got an integer"#),
        .init(dtype: #""F4""#, .unknownDtype(tensor: "t", dtype: "F4"), #"tensor "t": unknown dtype "F4""#),
        .init(
            dtype: #""f32""#, .unknownDtype(tensor: "t", dtype: "f32"), #"tensor "t": unknown dtype "f32""#),
        .init(
            shape: "2", .shapeNotAnArray(tensor: "t", got: "an integer"),
            #"tensor "t": shape: expected an array, got an integer"#),
        .init(
            shape: "[1,-2]", .invalidDimension(tensor: "t", axis: 1, got: "-2"),
            #"tensor "t": shape: dimension 1: expected a whole number from 0 to 9223372036854775807, got -2"#),
        .init(
            shape: "[2.0]", .invalidDimension(tensor: "t", axis: 0, got: "2.0"),
            #"tensor "t": shape: dimension 0: expected a whole number from 0 to 9223372036854775807, got 2.0"#
        ),
        .init(
            shape: "[18446744073709551616]",
            .invalidDimension(tensor: "t", axis: 0, got: "1.8446744073709552e+19"),
            #"tensor "t": shape: dimension 0: expected a whole number from 0 to 9223372036854775807, got 1.8446744073709552e+19"#
        ),
        .init(
            shape: #"["2"]"#, .invalidDimension(tensor: "t", axis: 0, got: #""2""#),
            #"tensor "t": shape: dimension 0: expected a whole number from 0 to 9223372036854775807, got "2""#
        ),
        .init(
            shape: "[4294967296,4294967296]",
            .shapeOverflow(tensor: "t", elementType: .f32, shape: [4_294_967_296, 4_294_967_296]),
            #"tensor "t": shape [4294967296, 4294967296] of F32 has more bytes than can be addressed"#),
        .init(
            shape: "[2305843009213693952]",
            .shapeOverflow(tensor: "t", elementType: .f32, shape: [2_305_843_009_213_693_952]),
            #"tensor "t": shape [2305843009213693952] of F32 has more bytes than can be addressed"#),
        .init(
            shape: "[9223372036854775807,9223372036854775807,9,9,9,9,9,9,9]",
            .shapeOverflow(tensor: "t", elementType: .f32, shape: [.max, .max, 9, 9, 9, 9, 9, 9, 9]),
            #"tensor "t": shape [9223372036854775807, 9223372036854775807, 9, 9, 9, 9, 9, 9, … 9 dimensions] of F32 has more bytes than can be addressed"#
        ),
        .init(
            offsets: "[0]", .offsetsNotAPair(tensor: "t"),
            #"tensor "t": data_offsets: expected an array of two numbers"#),
        .init(
            offsets: "8", .offsetsNotAPair(tensor: "t"),
            #"tensor "t": data_offsets: expected an array of two numbers"#),
        .init(
            offsets: "[-1,7]", .invalidOffset(tensor: "t", got: "-1"),
            #"tensor "t": data_offsets: expected whole numbers from 0 to 9223372036854775807, got -1"#),
        .init(
            offsets: "[0,8.5]", .invalidOffset(tensor: "t", got: "8.5"),
            #"tensor "t": data_offsets: expected whole numbers from 0 to 9223372036854775807, got 8.5"#),
        .init(
            offsets: "[8,0]", .offsetsReversed(tensor: "t", begin: 8, end: 0),
            #"tensor "t": data_offsets reversed: 8 to 0"#),
        .init(
            data: 7, .offsetsPastEnd(tensor: "t", end: 8, dataByteCount: 7),
            #"tensor "t": ends at byte 8 of the data, which has 7 (file cut short?)"#),
        .init(
            offsets: "[0,9223372036854775807]", .offsetsPastEnd(tensor: "t", end: .max, dataByteCount: 8),
            #"tensor "t": ends at byte 9223372036854775807 of the data, which has 8 (file cut short?)"#),
        .init(
            shape: "[3]",
            .byteCountMismatch(tensor: "t", elementType: .f32, shape: [3], expected: 12, got: 8),
            #"tensor "t": shape [3] of F32 takes 12 bytes, data_offsets give 8"#),
        .init(
            offsets: "[1,9]", data: 9, .hole(tensor: "t", begin: 1, previousEnd: 0),
            #"tensor "t": begins at byte 1 of the data, but the tensor before it ends at 0"#),
        .init(data: 10, .trailingBytes(count: 2), "2 bytes after the last tensor"),
        .init(
            #"{"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},"b\n":{"dtype":"I8","shape":[4],"data_offsets":[2,6]}}"#,
            data: 6, .overlap(tensor: "b\n", begin: 2, previousEnd: 4),
            #"tensor "b\u{A}": begins at byte 2 of the data, inside the tensor before it (which ends at 4)"#),
        .init(
            #"{"a":{"dtype":"I8","shape":[4],"data_offsets":[6,10]},"b":{"dtype":"I8","shape":[4],"data_offsets":[0,4]}}"#,
            data: 10, .hole(tensor: "a", begin: 6, previousEnd: 4),
            #"tensor "a": begins at byte 6 of the data, but the tensor before it ends at 4"#),
        .init(
            #"{"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},"e":{"dtype":"I8","shape":[0],"data_offsets":[2,2]}}"#,
            data: 4, .overlap(tensor: "e", begin: 2, previousEnd: 4),
            #"tensor "e": begins at byte 2 of the data, inside the tensor before it (which ends at 4)"#),
    ]

    @Test(arguments: frame + entries) func isRefused(_ malformed: Case) throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(malformed.bytes, to: "model.safetensors")
        let error = #expect(throws: ModelFileError.self) { try SafetensorsReader(file: file) }
        #expect(error == .safetensors(file: file, malformed.problem))
        #expect(error?.description == "\(file): \(malformed.message)")
    }

    @Test(arguments: [
        #"{"__metadata__":null}"#, "{}        ", "{\n}", #"{"__metadata__":{}}"#,
        #"{"t":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"extra":[1]}}"#,
        #"{"t":{"data_offsets":[0,0],"shape":[9223372036854775807,0],"dtype":"I8"}}"#,
        #"{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"F32","shape":[3,0],"data_offsets":[0,0]}}"#,
    ])
    func isAccepted(header: String) throws {
        let folder = try TemporaryFolder()
        let reader = try SafetensorsReader(file: try folder.write(safetensors(header), to: "a"))
        for entry in reader.entries { #expect(try reader.tensor(named: entry.name).elementCount == 0) }
        #expect(reader.entries.count == header.components(separatedBy: "dtype").count - 1)
    }

    @Test func refusesWhatIsNoFile() throws {
        let folder = try TemporaryFolder()
        #expect(
            throws: ModelFileError.notReadable(file: folder.file("a"), reason: "No such file or directory")
        ) {
            try SafetensorsReader(file: folder.file("a"))
        }
        #expect(throws: ModelFileError.notARegularFile(file: folder.path)) {
            try SafetensorsReader(file: folder.path)
        }
        #expect(throws: ModelFileError.notARegularFile(file: "/dev/zero")) {
            try SafetensorsReader(file: "/dev/zero")
        }
    }

    @Test func aMissingTensorIsNamed() throws {
        let folder = try TemporaryFolder()
        let reader = try SafetensorsReader(file: try folder.write(safetensors("{}"), to: "a"))
        let error = #expect(throws: ModelFileError.self) { try reader.tensor(named: "x.y") }
        #expect(error?.description == "\(folder.file("a")): no tensor \"x.y\"")
    }
}
