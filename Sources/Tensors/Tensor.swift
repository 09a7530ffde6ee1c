/// An immutable n-dimensional array, row-major: an element type, a shape and a range of shared bytes.
///
/// Elements are little-endian, as in safetensors. A tensor over mapped storage costs no memory until read.
public struct Tensor: Sendable {
    public let elementType: ElementType
    public let shape: [Int]
    /// Bytes of the elements, without padding.
    public let byteCount: Int
    let storage: TensorStorage
    let byteOffset: Int

    /// Product of the dimensions (1 for a scalar, 0 if a dimension is 0).
    public var elementCount: Int { byteCount / elementType.byteCount }

    /// A tensor over a range of existing storage, from byte `byteOffset` on.
    /// - Throws: `TensorError.shapeOverflow`, `TensorError.byteCountMismatch` when the range does not fit.
    public init(elementType: ElementType, shape: [Int], storage: TensorStorage, byteOffset: Int = 0) throws {
        let count = try Self.byteCount(of: shape, elementType: elementType)
        guard byteOffset >= 0, byteOffset <= storage.byteCount, count <= storage.byteCount - byteOffset else {
            throw TensorError.byteCountMismatch(
                elementType: elementType, shape: shape, expected: count,
                got: max(0, storage.byteCount - byteOffset))
        }
        self.init(uncheckedType: elementType, shape: shape, byteCount: count, storage: storage, byteOffset: byteOffset)
    }

    /// A tensor with its own copy of `bytes`.
    /// - Throws: as the initializer above; here the count must match exactly.
    public init(elementType: ElementType, shape: [Int], bytes: [UInt8]) throws {
        let count = try Self.byteCount(of: shape, elementType: elementType)
        guard count == bytes.count else {
            throw TensorError.byteCountMismatch(
                elementType: elementType, shape: shape, expected: count, got: bytes.count)
        }
        let storage = TensorStorage(byteCount: count) { $0.copyBytes(from: bytes) }
        self.init(uncheckedType: elementType, shape: shape, byteCount: count, storage: storage, byteOffset: 0)
    }

    init(uncheckedType: ElementType, shape: [Int], byteCount: Int, storage: TensorStorage, byteOffset: Int) {
        self.elementType = uncheckedType
        self.shape = shape
        self.byteCount = byteCount
        self.storage = storage
        self.byteOffset = byteOffset
    }

    /// Bytes of a tensor of this shape and type, with overflow reported.
    /// - Throws: `TensorError.shapeOverflow` (also for a negative dimension).
    public static func byteCount(of shape: [Int], elementType: ElementType) throws -> Int {
        var count = elementType.byteCount
        for dimension in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow, dimension >= 0 else { throw TensorError.shapeOverflow(shape: shape) }
            count = product
        }
        return count
    }

    /// As `TensorStorage.isStreamed`.
    public var isStreamed: Bool { storage.isStreamed }

    /// Gives the pages of some elements (row-major; all of them by default) back where the storage is streamed.
    public func giveBack(_ elements: Range<Int>? = nil) {
        let range = elements ?? 0..<elementCount
        let size = elementType.byteCount
        storage.giveBack(byteOffset + range.lowerBound * size..<byteOffset + range.upperBound * size)
    }

    /// Shows `body` the elements as raw bytes, piece after piece, giving each back where the storage is streamed.
    public func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        try storage.forEachPiece(of: byteOffset..<byteOffset + byteCount, body)
    }

    /// The elements as raw bytes, valid during the call.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try storage.withBytes { try body(UnsafeRawBufferPointer(rebasing: $0[byteOffset..<byteOffset + byteCount])) }
    }
}
