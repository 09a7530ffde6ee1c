import Foundation
import Tensors
import Testing

@Suite struct TensorTests {
    static func withFile<Result>(_ bytes: [UInt8], _ body: (String) throws -> Result) throws -> Result {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("tensors-\(UUID().uuidString)")
        try Data(bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try body(file.path)
    }

    /// Pieces of large pages: those that are left keep what they hold when others go, and when filling one fails.
    @Test func storagesThatShareLargePagesKeepToThemselves() throws {
        struct Stop: Error {}
        func storage(_ number: Int) -> TensorStorage {
            TensorStorage(byteCount: 60_000 + 70_001 * number, isReadOften: true) { bytes in
                for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: index &* 31 &+ number) }
            }
        }
        func isWhole(_ storage: TensorStorage, _ number: Int) -> Bool {
            storage.withBytes { bytes in
                bytes.count == 60_000 + 70_001 * number && Int(bitPattern: bytes.baseAddress) % 64 == 0
                    && bytes.indices.allSatisfy { bytes[$0] == UInt8(truncatingIfNeeded: $0 &* 31 &+ number) }
            }
        }
        var kept: [Int: TensorStorage] = [:]
        for number in 0..<64 { kept[number] = storage(number) }
        for number in stride(from: 0, to: 64, by: 2) { kept[number] = nil }
        #expect(throws: Stop.self) {
            try TensorStorage(byteCount: 100_000, isReadOften: true) { bytes in
                bytes.initializeMemory(as: UInt8.self, repeating: 1)
                throw Stop()
            }
        }
        for number in 64..<80 { kept[number] = storage(number % 64) }
        for (number, storage) in kept { #expect(isWhole(storage, number % 64), "\(number)") }
    }

    /// Nothing but the call holds the storage: were it released early, the mapping would be gone while it is read.
    @Test func storageLivesWhileItsBytesAreRead() throws {
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
        try Self.withFile(bytes) { path in
            let read = try TensorStorage(mapping: path).withBytes { Array($0) }
            #expect(read == bytes)
            let tensor = try Tensor(
                elementType: .u8, shape: [7], storage: TensorStorage(mapping: path), byteOffset: 99_990)
            let part = tensor.withBytes { Array($0) }
            #expect(part == Array(bytes[99_990..<99_997]))
        }
        let read = TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }.withBytes { Array($0) }
        #expect(read == bytes)
    }

    @Test func emptyFilesAndShapesHaveNoBytes() throws {
        try Self.withFile([]) { path in
            let storage = try TensorStorage(mapping: path)
            #expect(storage.byteCount == 0)
            let read = storage.withBytes { Array($0) }
            #expect(read.isEmpty)
        }
        let tensor = try Tensor([], shape: [0, 5])
        #expect(tensor.elementCount == 0)
        #expect(try tensor.matrix() == Matrix(rows: 0, columns: 5))
    }

    @Test(arguments: [ElementType.f64, .f32, .f16, .bf16])
    func valuesSurviveStorage(type: ElementType) throws {
        let values: [Float] = [0, -0.0, 1, -2.5, 0.15625, 1.5e-5, 384, .infinity, -.infinity]
        let tensor = try Tensor(values, shape: [3, 3], elementType: type)
        #expect(tensor.byteCount == 9 * type.byteCount)
        let read = try tensor.floats()
        // 1.5e-5 is no binary fraction: rounded by the 16-bit types.
        for (value, found) in zip(values, read) {
            #expect(value == found || abs(found / value - 1) < (type.byteCount == 2 ? 0x1p-8 : 0))
        }
        let again = try Tensor(read, shape: [9], elementType: type)
        let (first, second) = (tensor.withBytes { Array($0) }, again.withBytes { Array($0) })
        #expect(first == second)
    }

    @Test func impossibleTensorsAreTypedErrors() throws {
        func message(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "no error"
            } catch { return "\(error)" }
        }
        let storage = TensorStorage(byteCount: 8) { $0.initializeMemory(as: UInt8.self, repeating: 0) }
        #expect(
            message { _ = try Tensor(elementType: .f32, shape: [3], storage: storage) }
                == "a F32 tensor of shape [3] takes 12 bytes, got 8")
        #expect(
            message { _ = try Tensor(elementType: .u8, shape: [1], storage: storage, byteOffset: Int.max) }
                == "a U8 tensor of shape [1] takes 1 bytes, got 0")
        #expect(
            message { _ = try Tensor(elementType: .f64, shape: [1 << 40, 1 << 40], storage: storage) }
                == "shape [1099511627776, 1099511627776] has more elements than can be addressed")
        #expect(
            message { _ = try Tensor(elementType: .u8, shape: [-1], bytes: []) }
                == "shape [-1] has more elements than can be addressed")
        #expect(message { _ = try Tensor(elementType: .i8, shape: [2], bytes: [1, 2]).floats() }
            == "expected a floating-point tensor, got I8")
        #expect(message { _ = try Tensor([1, 2], shape: [2]).matrix() }
            == "expected a matrix (two dimensions), got shape [2]")
        #expect(message { _ = try TensorStorage(mapping: "/no such\nfile") }
            == "/no such\\u{A}file: cannot be read: open: No such file or directory")
        #expect(message { _ = try TensorStorage(mapping: "/") } == "/: cannot be read: not a regular file")
    }
}
