import Tensors

/// An inner matrix with its rows and columns in another order: W[i, j] = inner[rowOrder[i], columnOrder[j]].
///
/// Products permute the inputs and outputs, not the matrix: no multiply-adds more. 2 or 4 bytes for every place of an order.
public struct PermutedMatrix: WrappedMatrix {
    public static let family = Family(
        name: "permuted", summary: "a matrix of any family with its rows and columns reordered", source: "textbook")

    public let parts: [any StructuredMatrix]
    /// Row i is the inner matrix's row rowOrder[i]; nil leaves the rows as they are.
    public let rowOrder: [Int]?
    public let columnOrder: [Int]?

    /// - Throws: `StructuredMatrixError.invalidSize` without any order and for one that is no permutation.
    public init(_ inner: any StructuredMatrix, rowOrder: [Int]? = nil, columnOrder: [Int]? = nil) throws {
        guard rowOrder != nil || columnOrder != nil else { throw Self.invalid(inner.shape, "it needs an order") }
        for (order, size) in [(rowOrder, inner.shape.rows), (columnOrder, inner.shape.columns)] {
            if let order, let reason = Self.objection(to: order, size) { throw Self.invalid(inner.shape, reason) }
        }
        try Self.checkNesting([inner], inner.shape)
        parts = [inner]
        self.rowOrder = rowOrder
        self.columnOrder = columnOrder
    }

    private static func objection(to order: [Int], _ size: Int) -> String? {
        guard order.count == size else { return "an order of \(order.count) places for \(size)" }
        var seen = [Bool](repeating: false, count: size)
        for place in order {
            guard seen.indices.contains(place), !seen[place] else {
                return "every place from 0 to \(size - 1) must be there once, got \(place)"
            }
            seen[place] = true
        }
        return nil
    }

    func inputStep(transposed: Bool) -> FeatureStep? { (transposed ? rowOrder : columnOrder).map { .scatter($0) } }
    func outputStep(transposed: Bool) -> FeatureStep? { (transposed ? columnOrder : rowOrder).map { .gather($0) } }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        let inner = parts[0].gather(rows: rowOrder.map { order in rows.map { order[$0] } } ?? rows)
        guard let columnOrder else { return inner }
        return Matrix(rows: rows.count, columns: shape.columns) { inner[$0, columnOrder[$1]] }
    }

    private static func orderType(_ size: Int) -> ElementType { size <= 1 << 16 ? .u16 : .u32 }
    private var orders: [(name: String, order: [Int])] {
        [("rows", rowOrder), ("columns", columnOrder)].compactMap { name, order in order.map { (name, $0) } }
    }

    public var ownCost: Cost {
        Cost(
            parameters: 0, storedBytes: orders.reduce(0) { $0 + $1.order.count * Self.orderType($1.order.count).byteCount },
            multiplyAdds: 0)
    }
    public var ownTensors: [(name: String, tensor: Tensor)] {
        get throws {
            try orders.map { name, order in
                let type = Self.orderType(order.count)
                let bytes = order.flatMap { place in (0..<type.byteCount).map { UInt8(truncatingIfNeeded: place >> (8 * $0)) } }
                return (name, try Tensor(elementType: type, shape: [order.count], bytes: bytes))
            }
        }
    }
    /// 1: rows, 2: columns, 3: both.
    public var ownAttributes: [String: Int] { ["sides": (rowOrder == nil ? 0 : 1) + (columnOrder == nil ? 0 : 2)] }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let sides = try attributes.integer("sides", in: 1...3)
        try attributes.check(shape)
        func order(_ name: String, _ size: Int) throws -> [Int] {
            let type = Self.orderType(size)
            let order = try tensors.tensor(name, shape: [size], elementType: type).withBytes { bytes in
                (0..<size).map { index in
                    (0..<type.byteCount).reduce(0) { $0 | Int(bytes[index * type.byteCount + $1]) << (8 * $1) }
                }
            }
            if let reason = Self.objection(to: order, size) { throw tensors.invalid(name, reason) }
            return order
        }
        rowOrder = sides & 1 == 0 ? nil : try order("rows", shape.rows)
        columnOrder = sides & 2 == 0 ? nil : try order("columns", shape.columns)
        parts = try attributes.readParts(of: Self.family, shape: shape, count: 1...1, tensors: tensors) {
            $0[0] == shape ? nil : "the inner matrix is \($0[0])"
        }
    }
}
