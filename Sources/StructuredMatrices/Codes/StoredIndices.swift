import Tensors

extension Tensor {
    /// Places in a list of `bound`, in the smallest unsigned type that holds them: [indices.count], u16 or u32.
    init(indices: [Int], below bound: Int) throws {
        let type = Permutation.elementType(bound)
        let bytes = indices.flatMap { index in
            (0..<type.byteCount).map { UInt8(truncatingIfNeeded: index >> (8 * $0)) }
        }
        try self.init(elementType: type, shape: [indices.count], bytes: bytes)
    }
}

extension TensorLookup {
    /// Places in a list of `bound`, as `Tensor.init(indices:below:)` stores them.
    /// - Throws: as `tensor`; `StructuredMatrixError.invalidContent` for a place that is not below `bound`.
    func indices(_ name: String, count: Int, below bound: Int) throws -> [Int] {
        let indices = try storedIndices(name, count: count, below: bound)
        if let index = indices.first(where: { $0 >= bound }) {
            throw invalid(name, "expected numbers below \(bound), got \(index)")
        }
        return indices
    }

    /// The same unchecked.
    func storedIndices(_ name: String, count: Int, below bound: Int) throws -> [Int] {
        let type = Permutation.elementType(bound)
        return try tensor(name, shape: [count], elementType: type).withBytes { bytes in
            (0..<count).map { index in
                type == .u16
                    ? Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
                    : Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
            }
        }
    }
}
