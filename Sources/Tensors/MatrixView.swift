/// A borrowed rectangle of a row-major matrix: rows lie `rowStride` elements apart. Valid only during
/// the call that handed it out; reading past it is undefined, which is why only kernels take views.
@frozen
public struct DenseMatrixView<Scalar>: @unchecked Sendable {
    public let base: UnsafePointer<Scalar>
    public let rows: Int
    public let columns: Int
    public let rowStride: Int

    @inlinable
    public init(base: UnsafePointer<Scalar>, rows: Int, columns: Int, rowStride: Int? = nil) {
        self.base = base
        self.rows = rows
        self.columns = columns
        self.rowStride = rowStride ?? columns
    }

    @inlinable public func row(_ row: Int) -> UnsafePointer<Scalar> { base + row * rowStride }

    /// The sub-rectangle of the given rows and columns, sharing memory.
    @inlinable
    public func block(rows rowRange: Range<Int>, columns columnRange: Range<Int>) -> Self {
        Self(
            base: base + rowRange.lowerBound * rowStride + columnRange.lowerBound,
            rows: rowRange.count, columns: columnRange.count, rowStride: rowStride)
    }
    @inlinable public func columns(_ range: Range<Int>) -> Self { block(rows: 0..<rows, columns: range) }
    @inlinable public func rows(_ range: Range<Int>) -> Self { block(rows: range, columns: 0..<columns) }
}

/// As `DenseMatrixView`, writable.
@frozen
public struct MutableDenseMatrixView<Scalar>: @unchecked Sendable {
    public let base: UnsafeMutablePointer<Scalar>
    public let rows: Int
    public let columns: Int
    public let rowStride: Int

    @inlinable
    public init(base: UnsafeMutablePointer<Scalar>, rows: Int, columns: Int, rowStride: Int? = nil) {
        self.base = base
        self.rows = rows
        self.columns = columns
        self.rowStride = rowStride ?? columns
    }

    @inlinable public func row(_ row: Int) -> UnsafeMutablePointer<Scalar> { base + row * rowStride }

    @inlinable
    public func block(rows rowRange: Range<Int>, columns columnRange: Range<Int>) -> Self {
        Self(
            base: base + rowRange.lowerBound * rowStride + columnRange.lowerBound,
            rows: rowRange.count, columns: columnRange.count, rowStride: rowStride)
    }
    @inlinable public func columns(_ range: Range<Int>) -> Self { block(rows: 0..<rows, columns: range) }
    @inlinable public func rows(_ range: Range<Int>) -> Self { block(rows: range, columns: 0..<columns) }

    @inlinable
    public var readable: DenseMatrixView<Scalar> {
        DenseMatrixView(base: UnsafePointer(base), rows: rows, columns: columns, rowStride: rowStride)
    }
}

public typealias MatrixView = DenseMatrixView<Float>
public typealias MutableMatrixView = MutableDenseMatrixView<Float>

extension DenseMatrix {
    /// The numbers of a view.
    public init(copying view: DenseMatrixView<Scalar>) {
        let elements = [Scalar](unsafeUninitializedCapacity: view.rows * view.columns) { buffer, count in
            if let base = buffer.baseAddress {
                for row in 0..<view.rows {
                    (base + row * view.columns).initialize(from: view.row(row), count: view.columns)
                }
            }
            count = view.rows * view.columns
        }
        self.init(rows: view.rows, columns: view.columns, elements: elements)
    }

    /// Lends a view of the whole matrix.
    @inlinable
    public func withView<Result>(_ body: (DenseMatrixView<Scalar>) throws -> Result) rethrows -> Result {
        try elements.withUnsafeBufferPointer { buffer in
            // An empty matrix has no address; a view of no elements never reads it.
            let base = buffer.baseAddress ?? UnsafePointer(bitPattern: MemoryLayout<Scalar>.alignment).unsafelyUnwrapped
            return try body(DenseMatrixView(base: base, rows: rows, columns: columns))
        }
    }

    @inlinable
    public mutating func withMutableView<Result>(
        _ body: (MutableDenseMatrixView<Scalar>) throws -> Result
    ) rethrows -> Result {
        let (rows, columns) = (rows, columns)
        return try elements.withUnsafeMutableBufferPointer { buffer in
            let base = buffer.baseAddress
                ?? UnsafeMutablePointer(bitPattern: MemoryLayout<Scalar>.alignment).unsafelyUnwrapped
            return try body(MutableDenseMatrixView(base: base, rows: rows, columns: columns))
        }
    }
}
