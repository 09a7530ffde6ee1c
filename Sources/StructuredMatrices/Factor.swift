import Synchronization
import Tensors

/// One array of a family's parameters: `Float` values that are exactly representable in the precision
/// they are stored in, so that a saved and reloaded matrix computes the same bits.
///
/// A factor that was read from a checkpoint costs no memory until its values are wanted as a whole, which keeps them.
public struct Factor: Sendable, Equatable {
    public let shape: [Int]
    public let precision: Precision
    private let content: Content

    /// Rounds `values` to `precision`.
    /// - Precondition: `values.count` is the product of `shape`.
    public init(_ values: [Float], shape: [Int], precision: Precision = .f32) {
        precondition(
            values.count == shape.reduce(1, *),
            "a factor of shape \(shape) needs \(shape.reduce(1, *)) values")
        self.shape = shape
        self.precision = precision
        content = .values(precision.rounded(values))
    }

    /// The tensor of a checkpoint, with the values it holds.
    /// - Precondition: its element type is that of `precision`.
    init(stored tensor: Tensor, precision: Precision) {
        precondition(tensor.elementType == precision.elementType)
        shape = tensor.shape
        self.precision = precision
        content = .stored(StoredFactor(tensor))
    }

    public init(_ matrix: Matrix, precision: Precision = .f32) {
        self.init(matrix.elements, shape: [matrix.rows, matrix.columns], precision: precision)
    }

    /// Other values of the same shape and precision.
    public func replacing(_ values: [Float]) -> Factor { Factor(values, shape: shape, precision: precision) }

    public var count: Int { shape.reduce(1, *) }
    public var storedBytes: Int { count * precision.elementType.byteCount }

    /// All of them, row-major. Those of a stored factor are decoded at the first use and kept, unless they are streamed.
    public var values: [Float] {
        switch content {
        case .values(let values): values
        case .stored(let stored): stored.values
        }
    }

    /// The values as the tensor a checkpoint stores.
    public var tensor: Tensor {
        get throws {
            switch content {
            case .values(let values): try Tensor(values, shape: shape, elementType: precision.elementType)
            case .stored(let stored): stored.tensor
            }
        }
    }

    /// Lends the values as a matrix, all but the last dimension folded into rows.
    public func withView<Result>(_ body: (MatrixView) throws -> Result) rethrows -> Result {
        if case .stored(let stored) = content, stored.isMapped {
            defer { stored.tensor.giveBack() }
            return try stored.tensor.withBytes { try body(view($0.assumingMemoryBound(to: Float.self).baseAddress)) }
        }
        return try values.withUnsafeBufferPointer { try body(view($0.baseAddress)) }
    }

    /// Whether the values lie in a streamed file (`TensorStorage.isStreamed`): nothing that is decoded is kept then.
    var isStreamed: Bool {
        if case .stored(let stored) = content { stored.tensor.isStreamed } else { false }
    }

    /// Lends some rows of a streamed matrix, decoded into the calling thread's scratch.
    /// - Precondition: two dimensions, and `isStreamed`.
    func withStreamedRows<Result>(_ rows: Range<Int>, _ body: (MatrixView) throws -> Result) rethrows -> Result {
        guard case .stored(let stored) = content else { preconditionFailure("these values are not in a file") }
        let columns = shape[1]
        let range = rows.lowerBound * columns..<rows.upperBound * columns
        if stored.isMapped {
            defer { stored.tensor.giveBack(range) }
            return try stored.tensor.withBytes {
                try body(view($0.assumingMemoryBound(to: Float.self).baseAddress).rows(rows))
            }
        }
        return try withScratch(rows: rows.count, columns: columns) { scratch in
            stored.tensor.read(range, into: UnsafeMutableBufferPointer(start: scratch.base, count: range.count))
            return try body(scratch.readable)
        }
    }

    /// As `withView`, for a use that is not repeated: nothing that was decoded is kept.
    func withPassingView<Result>(_ body: (MatrixView) throws -> Result) rethrows -> Result {
        guard case .stored(let stored) = content, !stored.isMapped else { return try withView(body) }
        return try stored.decoded().withUnsafeBufferPointer { try body(view($0.baseAddress)) }
    }

    /// Some of the values, at the cost of these alone.
    func values(_ range: Range<Int>) -> [Float] {
        switch content {
        case .values(let values): Array(values[range])
        case .stored(let stored): stored.decoded(range)
        }
    }

    private func view(_ base: UnsafePointer<Float>?) -> MatrixView {
        let columns = shape.last ?? 1
        return MatrixView(
            base: base ?? UnsafePointer(bitPattern: 4).unsafelyUnwrapped, rows: columns == 0 ? 0 : count / columns,
            columns: columns)
    }

    /// All but the last dimension folded into rows.
    public var matrix: Matrix {
        let columns = shape.last ?? 1
        return Matrix(rows: columns == 0 ? 0 : count / columns, columns: columns, elements: values)
    }

    public static func == (left: Factor, right: Factor) -> Bool {
        left.shape == right.shape && left.precision == right.precision && left.values == right.values
    }

    private enum Content: Sendable {
        case values([Float])
        case stored(StoredFactor)
    }
}

/// Values that lie in a tensor, usually a mapped file.
private final class StoredFactor: Sendable {
    let tensor: Tensor
    /// Whether the values can be read where they lie.
    let isMapped: Bool
    private let kept = Mutex<[Float]?>(nil)

    init(_ tensor: Tensor) {
        self.tensor = tensor
        isMapped = tensor.elementType == .f32 && tensor.withBytes { bytes in
            bytes.baseAddress.map { Int(bitPattern: $0) % MemoryLayout<Float>.alignment == 0 } ?? true
        }
    }

    var values: [Float] {
        if tensor.isStreamed { return decoded() }
        return kept.withLock { kept in
            if let kept { return kept }
            let values = decoded()
            kept = values
            return values
        }
    }

    func decoded(_ range: Range<Int>? = nil) -> [Float] {
        // The type is one of floating point, which is all that could be wrong with it.
        (try? tensor.floats(range)) ?? []
    }
}
