import Tensors

/// Writes safetensors files: streamed tensor by tensor to a temporary file that is renamed when complete.
///
/// The same tensors give the same bytes. In `reference` order they are the bytes that the reference implementation writes.
public struct SafetensorsWriter: Sendable {
    /// A tensor to come.
    public struct Declaration: Sendable, Equatable {
        public let name: String
        public let elementType: ElementType
        public let shape: [Int]

        public init(name: String, elementType: ElementType, shape: [Int]) {
            self.name = name
            self.elementType = elementType
            self.shape = shape
        }
    }

    public enum Order: Sendable {
        case asGiven
        /// Widest types first (by the reference's list of types), names in byte order among equals: every tensor is aligned.
        case reference
    }

    /// Hugging Face transformers opens a file only if its metadata say so.
    public static let pytorchMetadata: [(key: String, value: String)] = [("format", "pt")]

    /// In the order in which they are written.
    public let declarations: [Declaration]
    private let header: [UInt8]
    private let file: String
    /// Size of the file to be, known before anything is written.
    public let fileByteCount: Int

    /// Plans a file.
    /// - Throws: `ModelFileError.safetensors` for a name that occurs twice or is reserved, sizes or a header out of bounds.
    public init(
        file: String, tensors: [Declaration], metadata: [(key: String, value: String)] = pytorchMetadata,
        order: Order = .reference
    ) throws(ModelFileError) {
        let ordered = order == .asGiven ? tensors : Self.referenceOrder(tensors)
        do throws(SafetensorsProblem) {
            (header, fileByteCount) = try Self.layout(ordered, metadata: metadata)
        } catch {
            throw .safetensors(file: file, error)
        }
        self.file = file
        declarations = ordered
    }

    /// Writes the file, asking for one tensor after the other in the order of `declarations`.
    /// Memory: one tensor at a time beyond what the caller holds.
    /// - Throws: `ModelFileError.notWritable`, `.safetensors` when a tensor differs from its declaration, and whatever
    ///   `tensor` throws; no file is left then, and an existing one is unchanged.
    public func write(_ tensor: (String) throws -> Tensor) throws {
        var output = try AtomicFile(path: file)
        try header.withUnsafeBytes { try output.write($0) }
        for declaration in declarations {
            let value = try tensor(declaration.name)
            guard value.elementType == declaration.elementType, value.shape == declaration.shape else {
                throw ModelFileError.safetensors(
                    file: file,
                    .tensorMismatch(
                        tensor: declaration.name,
                        expected: Self.describe(declaration.elementType, declaration.shape),
                        got: Self.describe(value.elementType, value.shape)))
            }
            try value.forEachPiece { try output.write($0) }
        }
        try output.commit()
    }

    /// Writes tensors that are in memory.
    /// - Throws: as `init` and `write(_:)`.
    public static func write(
        _ tensors: [(name: String, tensor: Tensor)], to file: String,
        metadata: [(key: String, value: String)] = pytorchMetadata, order: Order = .reference
    ) throws {
        let writer = try SafetensorsWriter(
            file: file,
            tensors: tensors.map {
                Declaration(name: $0.name, elementType: $0.tensor.elementType, shape: $0.tensor.shape)
            },
            metadata: metadata, order: order)
        let table = Dictionary(
            tensors.map { (ExactString($0.name), $0.tensor) }, uniquingKeysWith: { first, _ in first })
        try writer.write { name in
            guard let tensor = table[ExactString(name)] else {
                throw ModelFileError.missingTensor(file: file, tensor: name)
            }
            return tensor
        }
    }

    private static func layout(
        _ tensors: [Declaration], metadata: [(key: String, value: String)]
    ) throws(SafetensorsProblem) -> (header: [UInt8], fileByteCount: Int) {
        var members = JSONObject()
        if !metadata.isEmpty {
            var pairs = JSONObject()
            for (key, value) in metadata { pairs[key] = .string(value) }
            members[SafetensorsHeader.metadataKey] = .object(pairs)
        }
        var end = 0
        for tensor in tensors {
            guard !tensor.name.utf8.elementsEqual(SafetensorsHeader.metadataKey.utf8) else {
                throw .reservedName(tensor.name)
            }
            guard let count = try? Tensor.byteCount(of: tensor.shape, elementType: tensor.elementType) else {
                throw .shapeOverflow(
                    tensor: tensor.name, elementType: tensor.elementType, shape: tensor.shape)
            }
            let (next, overflow) = end.addingReportingOverflow(count)
            guard !overflow else { throw .dataTooLarge }
            let entry: JSONValue = [
                "dtype": .string(tensor.elementType.rawValue),
                "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
                "data_offsets": .array([.integer(Int64(end)), .integer(Int64(next))]),
            ]
            guard members.append(tensor.name, entry) else { throw .duplicateName(tensor.name) }
            end = next
        }
        return try frame(members, dataByteCount: end)
    }

    private static func frame(
        _ members: JSONObject, dataByteCount: Int
    ) throws(SafetensorsProblem) -> (header: [UInt8], fileByteCount: Int) {
        var json: [UInt8]
        do throws(JSONError) { json = try JSONValue.object(members).serialized() } catch {
            throw .headerNotJSON(error)
        }
        while json.count % 8 != 0 { json.append(UInt8(ascii: " ")) }
        guard json.count <= SafetensorsHeader.byteLimit else {
            throw .headerTooLong(byteCount: UInt64(json.count), limit: SafetensorsHeader.byteLimit)
        }
        let (total, overflow) = dataByteCount.addingReportingOverflow(8 + json.count)
        guard !overflow else { throw .dataTooLarge }
        let length = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) }
        return (length + json, total)
    }

    private static func referenceOrder(_ tensors: [Declaration]) -> [Declaration] {
        tensors.sorted { left, right in
            let (leftRank, rightRank) = (left.elementType.referenceRank, right.elementType.referenceRank)
            return leftRank == rightRank
                ? left.name.utf8.lexicographicallyPrecedes(right.name.utf8) : leftRank > rightRank
        }
    }

    private static func describe(_ type: ElementType, _ shape: [Int]) -> String {
        "\(type.rawValue) \(SafetensorsEntry.describe(shape))"
    }
}

extension ElementType {
    /// The place in the reference implementation's list of types (its files have the last ones first).
    fileprivate var referenceRank: Int {
        switch self {
        case .bool: 0
        case .u8: 1
        case .i8: 2
        case .f8e5m2: 3
        case .f8e4m3: 4
        case .i16: 5
        case .u16: 6
        case .f16: 7
        case .bf16: 8
        case .i32: 9
        case .u32: 10
        case .f32: 11
        case .f64: 12
        case .i64: 13
        case .u64: 14
        }
    }
}
