import LinearAlgebra
import Tensors

/// The kernel of a convolution, m x (c h w), as a small core tensor multiplied on every side (Tucker; with full ranks of
/// height and width, Tucker-2): W[o, (i, y, x)] = sum core[a, b, p, q] output[o, a] input[b, i] vertical[p, y]
/// horizontal[q, x].
///
/// m a + a b p q + b c + p h + q w numbers. Multiply-adds for one patch: b c h w + b p q h w + a b p q + m a; a
/// convolution saves the first of these between overlapping patches. With h = w = 1 it is low-rank with a core.
public struct Tucker: DifferentiableMatrix {
    public static let family = Family(
        name: "tucker", summary: "core tensor multiplied on every side, for kernels of convolutions",
        source: "De Lathauwer et al. 2000; FLoRA, arXiv 2405.14739")

    /// [m, a].
    public let output: Factor
    /// [a, b, p, q].
    public let core: Factor
    /// [b, c].
    public let input: Factor
    /// [p, h].
    public let vertical: Factor
    /// [q, w].
    public let horizontal: Factor

    /// - Precondition: the shapes above.
    public init(output: Factor, core: Factor, input: Factor, vertical: Factor, horizontal: Factor) {
        precondition(
            core.shape == [output.shape[1], input.shape[0], vertical.shape[0], horizontal.shape[0]])
        (self.output, self.core, self.input) = (output, core, input)
        (self.vertical, self.horizontal) = (vertical, horizontal)
    }

    /// h, w of the kernel.
    public var kernel: MatrixShape { MatrixShape(rows: vertical.shape[1], columns: horizontal.shape[1]) }
    /// c.
    public var channels: Int { input.shape[1] }
    /// a, b, p, q.
    public var ranks: [Int] { core.shape }
    public var shape: MatrixShape { MatrixShape(rows: output.shape[0], columns: channels * kernel.count) }

    public var cost: Cost {
        var cost = Self.cost(shape: shape, kernel: kernel, ranks: ranks, precision: .f32)
        cost.storedBytes = factors.reduce(0) { $0 + $1.storedBytes }
        return cost
    }

    /// - Parameter ranks: a, b, p, q.
    public static func cost(shape: MatrixShape, kernel: MatrixShape, ranks: [Int], precision: Precision) -> Cost {
        let (a, b, taps) = (ranks[0], ranks[1], ranks[2] * ranks[3])
        let count =
            shape.rows * a + a * b * taps + b * (shape.columns / kernel.count) + ranks[2] * kernel.rows
            + ranks[3] * kernel.columns
        return Cost(
            parameters: count, storedBytes: count * precision.elementType.byteCount,
            multiplyAdds: b * shape.columns + b * taps * kernel.count + a * b * taps + shape.rows * a)
    }

    /// vertical (x) horizontal, (p q) x (h w).
    private var taps: Matrix {
        let (vertical, horizontal) = (vertical.matrix, horizontal.matrix)
        return Matrix(rows: vertical.rows * horizontal.rows, columns: kernel.count) { row, column in
            vertical[row / horizontal.rows, column / horizontal.columns]
                * horizontal[row % horizontal.rows, column % horizontal.columns]
        }
    }
    /// a x (b p q).
    private var flatCore: Factor {
        Factor(core.values, shape: [ranks[0], ranks.dropFirst().reduce(1, *)], precision: core.precision)
    }

    public func apply(_ x: MatrixView, into y: MutableMatrixView, context: ExecutionContext) {
        run(x, y, context) { x, y, core, input, output, taps, inner, hidden, row, context in
            for index in 0..<x.rows {
                DenseProduct.serialTransposed(input, Self.folded(x, index, input.columns), into: row)
                DenseProduct.serial(row.readable, taps, into: Self.folded(inner, index, input.rows))
            }
            DenseProduct.apply(inner.readable, core, into: hidden, context: context)
            DenseProduct.apply(hidden.readable, output, into: y, context: context)
        }
    }

    public func applyTransposed(_ y: MatrixView, into x: MutableMatrixView, context: ExecutionContext) {
        run(y, x, context) { y, x, core, input, output, taps, inner, hidden, row, context in
            DenseProduct.applyTransposed(y, output, into: hidden, context: context)
            DenseProduct.applyTransposed(hidden.readable, core, into: inner, context: context)
            for index in 0..<y.rows {
                DenseProduct.serialTransposed(Self.folded(inner.readable, index, input.rows), taps, into: row)
                LinearAlgebra.multiply(input, transposeA: true, row.readable, into: Self.folded(x, index, input.columns))
            }
        }
    }

    /// Row `index` seen as a matrix of `rows` rows.
    private static func folded(_ view: MatrixView, _ index: Int, _ rows: Int) -> MatrixView {
        MatrixView(base: view.row(index), rows: rows, columns: view.columns / rows)
    }
    private static func folded(_ view: MutableMatrixView, _ index: Int, _ rows: Int) -> MutableMatrixView {
        MutableMatrixView(base: view.row(index), rows: rows, columns: view.columns / rows)
    }

    /// The batch in pieces, each with batch x (b p q), batch x a and b x (h w) numbers of memory.
    private func run(
        _ source: MatrixView, _ target: MutableMatrixView, _ context: ExecutionContext,
        _ body: @Sendable (
            MatrixView, MutableMatrixView, _ core: MatrixView, _ input: MatrixView, _ output: MatrixView,
            _ taps: MatrixView, MutableMatrixView, MutableMatrixView, MutableMatrixView, ExecutionContext
        ) -> Void
    ) {
        let (flatCore, taps) = (flatCore, taps)
        flatCore.withView { core in
            input.withView { input in
                output.withView { output in
                    taps.withView { taps in
                        DenseProduct.inPieces(ofBatch: source.rows, multiplyAdds: cost.multiplyAdds, context: context) {
                            rows, context in
                            withScratch(rows: rows.count, columns: core.columns) { inner in
                                withScratch(rows: rows.count, columns: core.rows) { hidden in
                                    withScratch(rows: input.rows, columns: taps.columns) { row in
                                        body(
                                            source.rows(rows), target.rows(rows), core, input, output, taps, inner,
                                            hidden, row, context)
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        let (positions, ranks) = (kernel.count, ranks)
        return PreparedChain(
            shape: shape,
            stages: [
                .transposition(rows: channels, columns: positions, cell: 1),
                .repeated(PackedMatrix(input, options), copies: positions),
                .transposition(rows: positions, columns: ranks[1], cell: 1),
                .repeated(PackedMatrix(Factor(taps), options), copies: ranks[1]),
                .product(PackedMatrix(flatCore, options)), .product(PackedMatrix(output, options)),
            ])
    }

    public func dense() -> Matrix { output.matrix.multiplied(by: expandedCore()) }

    /// The core with its three inner sides multiplied: a x (c h w).
    private func expandedCore() -> Matrix {
        let (core, input, taps) = (core.matrix, input.matrix, taps)
        let (a, b) = (ranks[0], ranks[1])
        // (a b) x (h w): every inner channel's taps.
        let spread = Matrix(rows: a * b, columns: taps.rows, elements: core.elements).multiplied(by: taps)
        var result = Matrix(rows: a, columns: shape.columns)
        for index in 0..<a {
            let part = spread.block(rows: index * b..<(index + 1) * b, columns: 0..<kernel.count)
            let piece = input.multiplied(by: part, transposeSelf: true)
            result.elements.replaceSubrange(index * shape.columns..<(index + 1) * shape.columns, with: piece.elements)
        }
        return result
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            [
                ("output", try output.tensor), ("core", try core.tensor), ("input", try input.tensor),
                ("vertical", try vertical.tensor), ("horizontal", try horizontal.tensor),
            ]
        }
    }
    public var attributes: FamilyAttributes {
        FamilyAttributes([
            "height": kernel.rows, "width": kernel.columns, "outputRank": ranks[0], "inputRank": ranks[1],
            "verticalRank": ranks[2], "horizontalRank": ranks[3],
        ])
    }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        try attributes.check(shape)
        let height = try attributes.divisor("height", of: shape.columns)
        let width = try attributes.divisor("width", of: shape.columns / height)
        // Ranks beyond these say nothing more; the bounds keep every product of sizes small.
        let a = try attributes.integer("outputRank", in: 1...max(1, min(shape.rows, 1 << 20)))
        let b = try attributes.integer("inputRank", in: 1...max(1, min(shape.columns, 1 << 20)))
        let p = try attributes.integer("verticalRank", in: 1...min(height, 1 << 10))
        let q = try attributes.integer("horizontalRank", in: 1...min(width, 1 << 10))
        output = try tensors.factor("output", shape: [shape.rows, a])
        core = try tensors.factor("core", shape: [a, b, p, q])
        input = try tensors.factor("input", shape: [b, shape.columns / height / width])
        vertical = try tensors.factor("vertical", shape: [p, height])
        horizontal = try tensors.factor("horizontal", shape: [q, width])
    }

    public var factors: [Factor] { [output, core, input, vertical, horizontal] }
    public func replacingFactors(_ values: [[Float]]) -> Self {
        Self(
            output: output.replacing(values[0]), core: core.replacing(values[1]), input: input.replacing(values[2]),
            vertical: vertical.replacing(values[3]), horizontal: horizontal.replacing(values[4]))
    }

    public func factorGradients(_ gradient: Matrix) -> [[Float]] {
        let (a, b, positions) = (ranks[0], ranks[1], kernel.count)
        let (input, taps) = (input.matrix, taps)
        let cores = Matrix(rows: a * b, columns: taps.rows, elements: core.values)
        // a x (c h w): what the output side leaves.
        let inner = output.matrix.multiplied(by: gradient, transposeSelf: true)
        var coreGradient: [Float] = []
        var inputGradient = Matrix(rows: b, columns: channels)
        var tapGradient = Matrix(rows: taps.rows, columns: positions)
        for index in 0..<a {
            let piece = Matrix(rows: channels, columns: positions, elements: Array(inner.row(index)))
            let core = cores.block(rows: index * b..<(index + 1) * b, columns: 0..<taps.rows)
            let mixed = input.multiplied(by: piece)
            coreGradient += mixed.multiplied(by: taps, transposeOther: true).elements
            inputGradient = inputGradient + core.multiplied(by: taps).multiplied(by: piece, transposeOther: true)
            tapGradient = tapGradient + core.multiplied(by: mixed, transposeSelf: true)
        }
        var (verticalGradient, horizontalGradient) = (vertical.matrix, horizontal.matrix)
        let (tall, wide) = (vertical.matrix, horizontal.matrix)
        for index in verticalGradient.elements.indices { verticalGradient.elements[index] = 0 }
        for index in horizontalGradient.elements.indices { horizontalGradient.elements[index] = 0 }
        for row in 0..<taps.rows {
            for column in 0..<positions {
                let (p, q) = row.quotientAndRemainder(dividingBy: wide.rows)
                let (y, x) = column.quotientAndRemainder(dividingBy: wide.columns)
                verticalGradient[p, y] += tapGradient[row, column] * wide[q, x]
                horizontalGradient[q, x] += tapGradient[row, column] * tall[p, y]
            }
        }
        return [
            gradient.multiplied(by: expandedCore(), transposeOther: true).elements, coreGradient,
            inputGradient.elements, verticalGradient.elements, horizontalGradient.elements,
        ]
    }
}
