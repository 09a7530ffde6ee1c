import Tensors

/// A NumPy array of one or two dimensions as `Float`; or of four, where it is asked for images.
///
/// Reads versions 1 to 3 of the format, little-endian numbers of 16, 32 and 64 bits and integers, in either order of
/// the indices; writes version 1 with `Float`. What does not fit in a `Float` is rounded to the nearest one (f64 beyond
/// its range becomes infinite). Memory: the numbers once, whatever the file claims.
public struct NumPyArray: Sendable, Equatable {
    /// One, two or four dimensions.
    public let shape: [Int]
    /// Row after row.
    public let elements: [Float]

    public init(_ matrix: Matrix) {
        shape = [matrix.rows, matrix.columns]
        elements = matrix.elements
    }

    public init(_ vector: [Float]) {
        shape = [vector.count]
        elements = vector
    }

    /// A vector is a matrix of one row.
    public var matrix: Matrix {
        Matrix(rows: shape.count == 1 ? 1 : shape[0], columns: shape[shape.count - 1], elements: elements)
    }

    /// Reads a .npy file.
    /// - Throws: `ModelFileError.notReadable`, `.notARegularFile`, `.numPy`.
    public init(file: String) throws(ModelFileError) {
        let storage = try mapFile(file)
        do throws(NumPyProblem) {
            self = try storage.withBytes { bytes throws(NumPyProblem) in try NumPyArray(bytes: bytes) }
        } catch {
            throw .numPy(file: file, array: nil, error)
        }
    }

    /// Reads a .npy file of images x channels x height x width.
    /// - Throws: as above; `NumPyProblem.notImages` for other dimensions.
    public init(images file: String) throws(ModelFileError) {
        let storage = try mapFile(file)
        do throws(NumPyProblem) {
            self = try storage.withBytes { bytes throws(NumPyProblem) in try NumPyArray(bytes: bytes, isImages: true) }
        } catch {
            throw .numPy(file: file, array: nil, error)
        }
    }

    /// Reads the bytes of a .npy file.
    init(bytes: UnsafeRawBufferPointer, isImages: Bool = false) throws(NumPyProblem) {
        let header = try NumPyHeader(file: bytes, isImages: isImages)
        let data = UnsafeRawBufferPointer(rebasing: bytes[header.dataStart...])
        let numbers = Self.numbers(data, header.elementType)
        shape = header.shape
        if header.isColumnMajor, shape.count == 2 {
            elements = Matrix(rows: shape[1], columns: shape[0], elements: numbers).transposed().elements
        } else {
            elements = numbers
        }
    }

    private static func numbers(_ data: UnsafeRawBufferPointer, _ type: ElementType) -> [Float] {
        func integers<Number: FixedWidthInteger>(_: Number.Type) -> [Float] {
            (0..<data.count / MemoryLayout<Number>.size).map { index in
                let offset = index * MemoryLayout<Number>.size
                return Float(Number(littleEndian: data.loadUnaligned(fromByteOffset: offset, as: Number.self)))
            }
        }
        switch type {
        case .i8: return integers(Int8.self)
        case .u8: return integers(UInt8.self)
        case .i16: return integers(Int16.self)
        case .u16: return integers(UInt16.self)
        case .i32: return integers(Int32.self)
        case .u32: return integers(UInt32.self)
        case .i64: return integers(Int64.self)
        case .u64: return integers(UInt64.self)
        case .f16:
            return (0..<data.count / 2).map {
                HalfFloat.value(of: UInt16(littleEndian: data.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)))
            }
        case .f64:
            return (0..<data.count / 8).map {
                let bits = UInt64(littleEndian: data.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self))
                return Float(Double(bitPattern: bits))
            }
        default:
            return (0..<data.count / 4).map {
                let bits = UInt32(littleEndian: data.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))
                return Float(bitPattern: bits)
            }
        }
    }

    /// The bytes of a .npy file: version 1.0, `<f4`, row-major.
    public var bytes: [UInt8] {
        var bytes = NumPyHeader.bytes(shape: shape)
        bytes.reserveCapacity(bytes.count + 4 * elements.count)
        for element in elements { withUnsafeBytes(of: element.bitPattern.littleEndian) { bytes += $0 } }
        return bytes
    }

    /// Writes a .npy file, complete or not at all.
    /// - Throws: `ModelFileError.notWritable`.
    public func write(to file: String) throws(ModelFileError) { try AtomicFile.write(bytes, to: file) }
}
