import Tensors

/// k input blocks of i = columns / k features, j output groups of l = rows / j rows, rank r per block:
/// y(g, p) = sum over b of left[g][p][b r ..< (b + 1) r] . (right[b][g r ..< (g + 1) r] x_b).
///
/// Seen as a grid, block (g, b) of W is left[g][:, b r...] right[b][g r..., :], of rank r.
/// r (j columns + k rows) numbers and multiply-adds.
public struct Monarch: DifferentiableMatrix {
    public static let family = Family(
        name: "monarch", summary: "two block-diagonal matrices with a transposition between them",
        source: "arXiv 2204.00595")

    /// [k, j r, i].
    public let right: Factor
    /// [j, l, k r].
    public let left: Factor
    /// Whether row p of group g is row p j + g of W, as in the paper; otherwise it is row g l + p.
    public let strided: Bool

    /// - Precondition: the shapes are [k, j r, i] and [j, l, k r] for some k, j, r.
    public init(right: Factor, left: Factor, strided: Bool = true) {
        precondition(right.shape.count == 3 && left.shape.count == 3 && right.shape[1] % left.shape[0] == 0)
        precondition(left.shape[2] == right.shape[0] * (right.shape[1] / left.shape[0]))
        self.right = right
        self.left = left
        self.strided = strided
    }

    /// k.
    public var inputBlocks: Int { right.shape[0] }
    /// j.
    public var outputGroups: Int { left.shape[0] }
    /// r.
    public var rank: Int { right.shape[1] / outputGroups }
    public var shape: MatrixShape {
        MatrixShape(rows: left.shape[0] * left.shape[1], columns: right.shape[0] * right.shape[2])
    }
    public var cost: Cost {
        let count = right.count + left.count
        return Cost(parameters: count, storedBytes: right.storedBytes + left.storedBytes, multiplyAdds: count)
    }

    private var grid: LowRankGrid {
        let rank = rank
        return LowRankGrid(
            shape: shape, inputBlocks: inputBlocks, outputGroups: outputGroups, interleaved: strided,
            right: right,
            left: left
        ) { group, block in
            .init(leftColumns: block * rank..<(block + 1) * rank, firstRightRow: group * rank, rightStep: 1)
        }
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        grid.apply(input, into: output, context: context)
    }
    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        grid.applyTransposed(input, into: output, context: context)
    }
    public func dense() -> Matrix { grid.dense() }
    public func gather(rows: [Int]) -> Matrix { grid.gather(rows: rows) }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws { [("right", try right.tensor), ("left", try left.tensor)] }
    }
    public var attributes: FamilyAttributes {
        FamilyAttributes([
            "inputBlocks": inputBlocks, "outputGroups": outputGroups, "rank": rank,
            "strided": strided ? 1 : 0,
        ])
    }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let blocks = try attributes.divisor("inputBlocks", of: shape.columns)
        let groups = try attributes.divisor("outputGroups", of: shape.rows)
        let rank = try attributes.integer("rank")
        strided = try attributes.integer("strided", in: 0...1) == 1
        right = try tensors.factor("right", shape: [blocks, groups * rank, shape.columns / blocks])
        left = try tensors.factor("left", shape: [groups, shape.rows / groups, blocks * rank])
    }

    public var factors: [Factor] { [right, left] }
    public func replacingFactors(_ values: [[Float]]) -> Self {
        Self(right: right.replacing(values[0]), left: left.replacing(values[1]), strided: strided)
    }
    public func factorGradients(_ gradient: Matrix) -> [[Float]] {
        let (right, left) = grid.gradients(gradient)
        return [right, left]
    }
}
