extension Tensor {
    /// The elements (those of a range of them, row-major) as `Float`, converted from any floating-point type.
    /// - Throws: `TensorError.notFloatingPoint`.
    public func floats(_ range: Range<Int>? = nil) throws -> [Float] {
        guard elementType.isFloatingPoint else { throw TensorError.notFloatingPoint(elementType: elementType) }
        let range = range ?? 0..<elementCount
        // An array of no capacity is one object of the whole process, whose count threads would write at once.
        guard !range.isEmpty else { return [] }
        return [Float](unsafeUninitializedCapacity: range.count) { buffer, count in
            read(range, into: buffer)
            count = range.count
        }
    }

    /// Writes a range of the elements as `Float`; pages of a streamed storage are given back on the way.
    /// - Precondition: a floating-point type, and room for the range.
    package func read(_ range: Range<Int>, into floats: UnsafeMutableBufferPointer<Float>) {
        let size = elementType.byteCount
        let piece = TensorStorage.pieceByteCount / size
        withBytes { bytes in
            for first in stride(from: range.lowerBound, to: range.upperBound, by: piece) {
                let elements = first..<min(range.upperBound, first + piece)
                let part = UnsafeRawBufferPointer(rebasing: bytes[elements.lowerBound * size..<elements.upperBound * size])
                let target = UnsafeMutableBufferPointer(rebasing: floats[(first - range.lowerBound)...])
                if !Self.convert(part, elementType, into: target) {
                    for index in 0..<elements.count { target[index] = Self.load(part, elementType, index) }
                }
                giveBack(elements)
            }
        }
    }

    /// By the kernels, where there is one and the bytes lie as it needs them.
    private static func convert(
        _ bytes: UnsafeRawBufferPointer, _ type: ElementType, into floats: UnsafeMutableBufferPointer<Float>
    ) -> Bool {
        guard let source = bytes.baseAddress, let target = floats.baseAddress, 1.littleEndian == 1,
            Int(bitPattern: source) % type.byteCount == 0
        else { return bytes.isEmpty }
        switch type {
        case .f32: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: bytes.count)
        case .f16: Kernels.best.halfToFloat(source.assumingMemoryBound(to: UInt16.self), target, bytes.count / 2)
        case .bf16: Kernels.best.bfloatToFloat(source.assumingMemoryBound(to: UInt16.self), target, bytes.count / 2)
        default: return false
        }
        return true
    }

    /// A matrix of `Float` from a two-dimensional floating-point tensor.
    /// - Throws: `TensorError.notAMatrix`, `TensorError.notFloatingPoint`.
    public func matrix() throws -> Matrix {
        guard shape.count == 2 else { throw TensorError.notAMatrix(shape: shape) }
        return Matrix(rows: shape[0], columns: shape[1], elements: try floats())
    }

    /// A tensor that stores `values` in the given floating-point type, rounding to nearest, ties to even.
    /// - Throws: `TensorError.byteCountMismatch` when the shape does not hold `values.count` elements,
    ///   `TensorError.notFloatingPoint` for an integer type.
    public init(_ values: [Float], shape: [Int], elementType: ElementType = .f32) throws {
        guard elementType.isFloatingPoint else { throw TensorError.notFloatingPoint(elementType: elementType) }
        let count = try Self.byteCount(of: shape, elementType: elementType)
        guard count == values.count * elementType.byteCount else {
            throw TensorError.byteCountMismatch(
                elementType: elementType, shape: shape, expected: count,
                got: values.count * elementType.byteCount)
        }
        let storage = TensorStorage(byteCount: count) { bytes in
            for (index, value) in values.enumerated() { Self.store(value, bytes, elementType, index) }
        }
        self.init(uncheckedType: elementType, shape: shape, byteCount: count, storage: storage, byteOffset: 0)
    }

    private static func load(_ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ index: Int) -> Float {
        switch type {
        case .f64:
            Float(Double(bitPattern: .init(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))))
        case .f32:
            Float(bitPattern: .init(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)))
        case .f16:
            Precision.f16.decode(.init(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)))
        default:
            Precision.bf16.decode(.init(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)))
        }
    }

    private static func store(_ value: Float, _ bytes: UnsafeMutableRawBufferPointer, _ type: ElementType, _ index: Int) {
        switch type {
        case .f64:
            bytes.storeBytes(of: Double(value).bitPattern.littleEndian, toByteOffset: index * 8, as: UInt64.self)
        case .f32:
            bytes.storeBytes(of: value.bitPattern.littleEndian, toByteOffset: index * 4, as: UInt32.self)
        case .f16:
            bytes.storeBytes(of: Precision.f16.encode(value).littleEndian, toByteOffset: index * 2, as: UInt16.self)
        default:
            bytes.storeBytes(of: Precision.bf16.encode(value).littleEndian, toByteOffset: index * 2, as: UInt16.self)
        }
    }
}
