import Foundation
import ModelFiles
import Tensors
import Testing

@Suite struct SafetensorsRoundTripTests {
    static let reference = Bundle.module.bundlePath + "/Resources/safetensors/reference.safetensors"

    /// The file was made by the reference implementation: Scripts/golden/make_safetensors.py.
    @Test func readsTheReferenceFile() throws {
        let reader = try SafetensorsReader(file: Self.reference)
        #expect(reader.entries.count == 18)
        #expect(reader.metadata.map(\.key) == ["format"] && reader.metadata.map(\.value) == ["pt"])
        #expect(
            try reader.tensor(named: "layer.0.weight").matrix().elements == [-0.5, -0.25, 0, 0.25, 0.5, 0.75])
        #expect(try reader.tensor(named: "layer.0.weight").shape == [2, 3])
        #expect(try reader.tensor(named: "layer.0.bias").floats() == [0.5, -1.25, 65504])
        #expect(try reader.tensor(named: "halves").floats() == [1, -2])
        #expect(try reader.tensor(named: "doubles").floats() == [Float(1.0 / 3)])
        #expect(try reader.tensor(named: "scalar").floats() == [7])
        #expect(reader.entry(named: "scalar")?.shape == [])
        #expect(reader.entry(named: "empty")?.shape == [0, 5])
        #expect(try reader.tensor(named: "empty").floats() == [])
        #expect(try reader.tensor(named: "codes").withBytes { Array($0) } == [0, 127, 255])
        #expect(reader.entry(named: "naïve \"name\"\n")?.elementType == .i16)
        // The same letters composed another way are another name.
        #expect(!reader.contains("nai\u{308}ve \"name\"\n"))
        #expect(Set(reader.entries.map(\.elementType)) == Set(ElementType.allCases))
    }

    @Test func writesTheReferenceBytes() throws {
        let folder = try TemporaryFolder()
        let reader = try SafetensorsReader(file: Self.reference)
        let tensors = try reader.tensorNames.reversed().map { ($0, try reader.tensor(named: $0)) }
        try SafetensorsWriter.write(tensors, to: folder.file("copy.safetensors"))
        #expect(
            try folder.bytes("copy.safetensors")
                == Array(Data(contentsOf: URL(fileURLWithPath: Self.reference))))
        #expect(try folder.names() == ["copy.safetensors"])
    }

    @Test(arguments: ElementType.allCases) func everyTypeComesBack(type: ElementType) throws {
        let folder = try TemporaryFolder()
        let bytes = (0..<6 * type.byteCount).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) }
        let tensor = try Tensor(elementType: type, shape: [3, 1, 2], bytes: bytes)
        try SafetensorsWriter.write([("t", tensor)], to: folder.file("a"))
        let back = try SafetensorsReader(file: folder.file("a")).tensor(named: "t")
        #expect(back.elementType == type && back.shape == [3, 1, 2])
        #expect(back.withBytes { Array($0) } == bytes)
    }

    @Test func keepsAGivenOrderAndPlansTheSize() throws {
        let folder = try TemporaryFolder()
        let writer = try SafetensorsWriter(
            file: folder.file("a"),
            tensors: [
                .init(name: "z", elementType: .u8, shape: [3]),
                .init(name: "a", elementType: .f32, shape: [1]),
                .init(name: "none", elementType: .f64, shape: [0]),
            ],
            metadata: [], order: .asGiven)
        try writer.write { name in
            switch name {
            case "z": try Tensor(elementType: .u8, shape: [3], bytes: [1, 2, 3])
            case "a": try Tensor([2.5], shape: [1])
            default: try Tensor([], shape: [0], elementType: .f64)
            }
        }
        let reader = try SafetensorsReader(file: folder.file("a"))
        #expect(reader.tensorNames == ["z", "a", "none"])
        #expect(reader.fileByteCount == writer.fileByteCount)
        #expect(
            try reader.tensor(named: "a").floats() == [2.5], "misaligned by three bytes, read all the same")
        #expect(try folder.bytes("a").first.map { $0 % 8 } == 0)
    }

    @Test func anEmptyFileOfNoTensorsIsValid() throws {
        let folder = try TemporaryFolder()
        try SafetensorsWriter.write([], to: folder.file("a"), metadata: [])
        #expect(try folder.bytes("a") == safetensors("{}      "))
        #expect(try SafetensorsReader(file: folder.file("a")).entries.isEmpty)
    }

    @Test func aFailedWriteLeavesTheOldFile() throws {
        let folder = try TemporaryFolder()
        try folder.write("old", to: "a")
        let file = folder.file("a")
        let writer = try SafetensorsWriter(
            file: file, tensors: [.init(name: "t", elementType: .f32, shape: [2])])
        let expected = ModelFileError.safetensors(
            file: file, .tensorMismatch(tensor: "t", expected: "F32 [2]", got: "F16 [2]"))
        #expect(throws: expected) {
            try writer.write { _ in try Tensor([1, 2], shape: [2], elementType: .f16) }
        }
        #expect(try folder.bytes("a") == Array("old".utf8))
        #expect(try folder.names() == ["a"])
    }

    @Test func refusesWhatCannotBeWritten() throws {
        func declare(_ name: String, _ shape: [Int]) -> SafetensorsWriter.Declaration {
            .init(name: name, elementType: .f32, shape: shape)
        }
        func problem(_ tensors: [SafetensorsWriter.Declaration]) -> SafetensorsProblem? {
            do {
                _ = try SafetensorsWriter(file: "x", tensors: tensors)
                return nil
            } catch ModelFileError.safetensors("x", let problem) { return problem } catch { return nil }
        }
        #expect(problem([declare("a", [1]), declare("a", [2])]) == .duplicateName("a"))
        #expect(problem([declare("__metadata__", [1])]) == .reservedName("__metadata__"))
        #expect(
            problem([declare("a", [Int.max, 2])])
                == .shapeOverflow(tensor: "a", elementType: .f32, shape: [.max, 2]))
        #expect(problem([declare("a", [1 << 60]), declare("b", [1 << 60])]) == .dataTooLarge)
        let missing = ModelFileError.notWritable(
            file: "/nowhere/at/all/x", reason: "No such file or directory")
        #expect(throws: missing) { try SafetensorsWriter.write([], to: "/nowhere/at/all/x") }
    }
}
