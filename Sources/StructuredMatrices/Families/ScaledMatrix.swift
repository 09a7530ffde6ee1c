import Tensors

/// An inner matrix between diagonals: W = diag(rowScales) inner diag(columnScales). A number and a multiply-add more for
/// every scale.
public struct ScaledMatrix: WrappedMatrix {
    public static let family = Family(
        name: "scaled", summary: "a matrix of any family with its rows and columns scaled", source: "textbook")

    public let parts: [any StructuredMatrix]
    /// One for every row; nil leaves the rows as they are.
    public let rowScales: Factor?
    public let columnScales: Factor?

    /// - Throws: `StructuredMatrixError.invalidSize` without any scales and for a wrong number of them.
    public init(_ inner: any StructuredMatrix, rowScales: Factor? = nil, columnScales: Factor? = nil) throws {
        guard rowScales != nil || columnScales != nil else { throw Self.invalid(inner.shape, "it needs scales") }
        for (scales, size) in [(rowScales, inner.shape.rows), (columnScales, inner.shape.columns)] {
            if let scales, scales.shape != [size] {
                throw Self.invalid(inner.shape, "scales of shape \(scales.shape) for \(size)")
            }
        }
        try Self.checkNesting([inner], inner.shape)
        parts = [inner]
        self.rowScales = rowScales
        self.columnScales = columnScales
    }

    func inputStep(transposed: Bool) -> FeatureStep? { (transposed ? rowScales : columnScales).map { .scale($0.values) } }
    func outputStep(transposed: Bool) -> FeatureStep? { (transposed ? columnScales : rowScales).map { .scale($0.values) } }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        let inner = parts[0].gather(rows: rows)
        let (left, right) = (rowScales?.values, columnScales?.values)
        return Matrix(rows: rows.count, columns: shape.columns) {
            (left?[rows[$0]] ?? 1) * inner[$0, $1] * (right?[$1] ?? 1)
        }
    }

    private var scales: [(name: String, factor: Factor)] {
        [("rows", rowScales), ("columns", columnScales)].compactMap { name, factor in factor.map { (name, $0) } }
    }
    public var ownCost: Cost {
        scales.reduce(Cost(parameters: 0, storedBytes: 0, multiplyAdds: 0)) { cost, scale in
            let count = scale.factor.count
            return cost + Cost(parameters: count, storedBytes: scale.factor.storedBytes, multiplyAdds: count)
        }
    }
    public var ownTensors: [(name: String, tensor: Tensor)] {
        get throws { try scales.map { ($0.name, try $0.factor.tensor) } }
    }
    /// 1: rows, 2: columns, 3: both.
    public var ownAttributes: [String: Int] { ["sides": (rowScales == nil ? 0 : 1) + (columnScales == nil ? 0 : 2)] }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let sides = try attributes.integer("sides", in: 1...3)
        rowScales = sides & 1 == 0 ? nil : try tensors.factor("rows", shape: [shape.rows])
        columnScales = sides & 2 == 0 ? nil : try tensors.factor("columns", shape: [shape.columns])
        parts = try attributes.readParts(of: Self.family, shape: shape, count: 1...1, tensors: tensors) {
            $0[0] == shape ? nil : "the inner matrix is \($0[0])"
        }
    }
}
