import Tensors

/// A safetensors file, mapped into memory. Opening it reads and checks the header alone; tensors share the mapping.
///
/// Memory: less than 64 times the header's bytes (which are at most 100 MB and never more than the file has), whatever the
/// file claims; ordinary headers take 11 times, the worst one tried 25 times. Nothing is allocated by a count that the file
/// states. Misaligned tensors are accepted.
///
/// The file must not be shortened while it is open: the operating system ends a process that reads past the end of a mapping.
public struct SafetensorsReader: Sendable {
    public let file: String
    /// Every tensor, in the order of their bytes.
    public let entries: [SafetensorsEntry]
    /// The `__metadata__` pairs in file order.
    public let metadata: [(key: String, value: String)]
    /// Bytes of the whole file, header included.
    public var fileByteCount: Int { storage.byteCount }

    private let positions: [ExactString: Int]
    private let storage: TensorStorage
    private let dataStart: Int

    /// - Parameter isStreamed: as `TensorStorage.isStreamed`.
    /// - Throws: `ModelFileError.notReadable`, `.notARegularFile`, `.safetensors`.
    public init(file: String, isStreamed: Bool = false) throws(ModelFileError) {
        let storage = try mapFile(file, isStreamed: isStreamed)
        let header: SafetensorsHeader
        do throws(SafetensorsProblem) {
            header = try storage.withBytes { bytes throws(SafetensorsProblem) in try SafetensorsHeader(file: bytes) }
        } catch {
            throw .safetensors(file: file, error)
        }
        self.file = file
        self.storage = storage
        entries = header.entries
        metadata = header.metadata
        dataStart = header.dataStart
        positions = Dictionary(
            header.entries.enumerated().map { (ExactString($1.name), $0) },
            uniquingKeysWith: { first, _ in first })
    }

    public var tensorNames: [String] { entries.map(\.name) }

    /// The header's entry of that name (names are told apart by their UTF-8 bytes). O(1).
    public func entry(named name: String) -> SafetensorsEntry? {
        positions[ExactString(name)].map { entries[$0] }
    }

    public func contains(_ name: String) -> Bool { positions[ExactString(name)] != nil }

    /// The tensor of that name, over the mapped file: no bytes are copied.
    /// - Throws: `ModelFileError.missingTensor`.
    public func tensor(named name: String) throws(ModelFileError) -> Tensor {
        guard let entry = entry(named: name) else { throw .missingTensor(file: file, tensor: name) }
        do {
            return try Tensor(
                elementType: entry.elementType, shape: entry.shape, storage: storage,
                byteOffset: dataStart + entry.dataOffsets.lowerBound)
        } catch {
            throw .notReadable(file: file, reason: "tensor \(quotedForMessage(name)): \(error)")
        }
    }
}
