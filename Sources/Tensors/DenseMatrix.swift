/// A dense matrix, row-major and contiguous. `Matrix` holds `Float`, `DoubleMatrix` holds `Double`.
@frozen
public struct DenseMatrix<Scalar: BinaryFloatingPoint & Sendable>: Sendable, Equatable {
    public let rows: Int
    public let columns: Int
    /// `rows * columns` numbers, row after row.
    public var elements: [Scalar]

    /// - Precondition: `elements.count == rows * columns`.
    @inlinable
    public init(rows: Int, columns: Int, elements: [Scalar]) {
        precondition(elements.count == rows * columns, "a \(rows) x \(columns) matrix needs \(rows * columns) elements")
        self.rows = rows
        self.columns = columns
        self.elements = elements
    }

    @inlinable
    public init(rows: Int, columns: Int, repeating value: Scalar = 0) {
        self.init(rows: rows, columns: columns, elements: [Scalar](repeating: value, count: rows * columns))
    }

    /// A matrix whose element at (row, column) is `element(row, column)`, asked for in row-major order.
    @inlinable
    public init(rows: Int, columns: Int, _ element: (Int, Int) throws -> Scalar) rethrows {
        var elements: [Scalar] = []
        elements.reserveCapacity(rows * columns)
        for row in 0..<rows {
            for column in 0..<columns { elements.append(try element(row, column)) }
        }
        self.init(rows: rows, columns: columns, elements: elements)
    }

    @inlinable
    public static func identity(_ size: Int) -> Self {
        var result = Self(rows: size, columns: size)
        for index in 0..<size { result[index, index] = 1 }
        return result
    }

    /// Standard normal entries, drawn row by row.
    public static func random(rows: Int, columns: Int, using generator: inout SeededGenerator) -> Self {
        Self(rows: rows, columns: columns) { _, _ in Scalar(generator.nextNormal()) }
    }

    @inlinable
    public subscript(row: Int, column: Int) -> Scalar {
        get { elements[row * columns + column] }
        set { elements[row * columns + column] = newValue }
    }

    @inlinable public var count: Int { elements.count }

    /// The elements of a row.
    @inlinable public func row(_ row: Int) -> ArraySlice<Scalar> { elements[row * columns..<(row + 1) * columns] }

    @inlinable
    public func transposed() -> Self {
        var result = Self(rows: columns, columns: rows)
        elements.withUnsafeBufferPointer { source in
            result.elements.withUnsafeMutableBufferPointer { target in
                for row in 0..<rows {
                    for column in 0..<columns { target[column * rows + row] = source[row * columns + column] }
                }
            }
        }
        return result
    }

    /// The block of the given rows and columns, copied.
    @inlinable
    public func block(rows rowRange: Range<Int>, columns columnRange: Range<Int>) -> Self {
        var block: [Scalar] = []
        block.reserveCapacity(rowRange.count * columnRange.count)
        for row in rowRange {
            block.append(contentsOf: elements[row * columns + columnRange.lowerBound..<row * columns + columnRange.upperBound])
        }
        return Self(rows: rowRange.count, columns: columnRange.count, elements: block)
    }

    /// Overwrites the block whose first element is at (row, column).
    @inlinable
    public mutating func setBlock(_ block: Self, row: Int, column: Int) {
        for blockRow in 0..<block.rows {
            for blockColumn in 0..<block.columns {
                self[row + blockRow, column + blockColumn] = block[blockRow, blockColumn]
            }
        }
    }

    /// Overwrites a block of a symmetric matrix, and its mirror image by the block's transpose.
    @inlinable
    public mutating func setSymmetricBlock(_ block: Self, row: Int, column: Int) {
        setBlock(block, row: row, column: column)
        if row != column { setBlock(block.transposed(), row: column, column: row) }
    }

    /// Sum of squares of the elements, accumulated in `Double`.
    @inlinable
    public var squaredNorm: Double {
        var sum = 0.0
        for element in elements { sum += Double(element) * Double(element) }
        return sum
    }

    // Not inlined, which would be without the type where a generic function asks: a fifth of a decomposition.
    public var isFinite: Bool {
        @specialized(where Scalar == Float)
        @specialized(where Scalar == Double)
        get { elements.allSatisfy { $0.isFinite } }
    }

    /// The same matrix in another scalar type.
    @inlinable
    public func converted<Other>(to type: Other.Type = Other.self) -> DenseMatrix<Other> {
        DenseMatrix<Other>(rows: rows, columns: columns, elements: elements.map { Other($0) })
    }

    @inlinable
    public static func - (left: Self, right: Self) -> Self {
        precondition(left.rows == right.rows && left.columns == right.columns)
        return Self(rows: left.rows, columns: left.columns, elements: zip(left.elements, right.elements).map { $0 - $1 })
    }

    @inlinable
    public static func + (left: Self, right: Self) -> Self {
        precondition(left.rows == right.rows && left.columns == right.columns)
        return Self(rows: left.rows, columns: left.columns, elements: zip(left.elements, right.elements).map { $0 + $1 })
    }
}

public typealias Matrix = DenseMatrix<Float>
public typealias DoubleMatrix = DenseMatrix<Double>
