import Tensors

/// W = sum over planes k of alpha_k T_k with T_k in {-1, 0, 1} and one binary16 alpha_k for every `groupSize`
/// consecutive weights of a row (the last group of a row may be shorter).
///
/// A trit is stored in 2 bits, as t + 2: four to a byte, lowest bits first, rows padded to whole bytes; in memory they
/// stay packed. Five trits fit a byte (1.6 bits each), a fifth less, but taking them out again costs multiplications
/// where pairs of bits cost a shift and a mask, and products would no longer keep up with memory.
/// rows columns multiply-adds a plane.
public struct TritPlanes: StructuredMatrix {
    public static let family = Family(
        name: "trit-planes", summary: "sums of ternary matrices with a scale per group of inputs",
        source: "PTQTP, arXiv 2509.16989")

    public static let supportedPlanes = 1...4
    /// Rows decoded at once.
    private static let panel = 64

    public let shape: MatrixShape
    public let planes: Int
    public let groupSize: Int
    /// U8 [planes, rows, ceil(columns / 4)].
    public let trits: Tensor
    /// IEEE binary16 patterns, planes x rows x ceil(columns / groupSize).
    public let scales: [UInt16]

    /// - Parameters:
    ///   - trits: -1, 0 and 1, planes x rows x columns.
    ///   - scales: planes x rows x ceil(columns / groupSize), rounded to binary16 here.
    /// - Throws: `StructuredMatrixError.invalidSize` for other counts, numbers of planes or values.
    public init(trits: [Int8], scales: [Float], planes: Int, shape: MatrixShape, groupSize: Int) throws {
        func invalid(_ reason: String) -> StructuredMatrixError {
            .invalidSize(family: Self.family.name, shape: shape, reason: reason)
        }
        guard Self.supportedPlanes.contains(planes) else { throw invalid("planes must be 1 to 4, got \(planes)") }
        guard groupSize > 0 else { throw invalid("groups must have at least one weight, got \(groupSize)") }
        guard shape.rows >= 0, shape.columns >= 0 else { throw invalid("sizes cannot be negative") }
        guard trits.count == planes * shape.count else {
            throw invalid("it needs \(planes * shape.count) trits, got \(trits.count)")
        }
        let groups = (shape.columns + groupSize - 1) / groupSize
        guard scales.count == planes * shape.rows * groups else {
            throw invalid("it needs \(planes * shape.rows * groups) scales, got \(scales.count)")
        }
        if let trit = trits.first(where: { !(-1...1).contains($0) }) { throw invalid("\(trit) is not a trit") }
        let rowBytes = (shape.columns + 3) / 4
        var packed = [UInt8](repeating: 0, count: planes * shape.rows * rowBytes)
        for row in 0..<planes * shape.rows {
            for column in 0..<shape.columns {
                packed[row * rowBytes + column / 4] |=
                    UInt8(trits[row * shape.columns + column] + 2) << UInt8(column % 4 * 2)
            }
        }
        self.shape = shape
        self.planes = planes
        self.groupSize = groupSize
        self.trits = try Tensor(elementType: .u8, shape: [planes, shape.rows, rowBytes], bytes: packed)
        self.scales = scales.map(HalfFloat.bits(of:))
    }

    private var rowBytes: Int { (shape.columns + 3) / 4 }
    private var groups: Int { (shape.columns + groupSize - 1) / groupSize }

    public var cost: Cost { Self.cost(shape: shape, planes: planes, groupSize: groupSize) }

    /// What a matrix of so many planes and such groups costs.
    public static func cost(shape: MatrixShape, planes: Int, groupSize: Int) -> Cost {
        let scales = shape.rows * ((shape.columns + groupSize - 1) / groupSize)
        return Cost(
            parameters: planes * (shape.count + scales),
            storedBytes: planes * (shape.rows * ((shape.columns + 3) / 4) + 2 * scales),
            multiplyAdds: planes * shape.count)
    }

    /// Decodes panels of rows and multiplies with them; `prepared` is the fast way.
    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        let panels = (shape.rows + Self.panel - 1) / Self.panel
        let context = DenseProduct.isShared(batch: input.rows, weights: shape.count) ? context : .serial
        withPlanes { planes in
            context.parallelFor(panels) { panel in
                let rows = panel * Self.panel..<min(shape.rows, (panel + 1) * Self.panel)
                withScratch(rows: rows.count, columns: shape.columns) { w in
                    decode(planes, rows, into: w)
                    DenseProduct.apply(input, w.readable, into: output.columns(rows), context: .serial)
                }
            }
        }
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        withPlanes { planes in
            withScratch(rows: min(shape.rows, Self.panel), columns: shape.columns) { scratch in
                for start in stride(from: 0, to: shape.rows, by: Self.panel) {
                    let rows = start..<min(shape.rows, start + Self.panel)
                    let w = scratch.rows(0..<rows.count)
                    decode(planes, rows, into: w)
                    DenseProduct.applyTransposed(
                        input.columns(rows), w.readable, into: output, accumulating: start > 0,
                        context: context)
                }
            }
        }
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        var result = Matrix(rows: rows.count, columns: shape.columns)
        result.withMutableView { result in
            withPlanes { planes in
                for (index, row) in rows.enumerated() {
                    decode(planes, row..<row + 1, into: result.rows(index..<index + 1))
                }
            }
        }
        return result
    }

    /// The planes in panels one after another, all multiplied with the same rounded activations.
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        var panels: [PackedCodes] = []
        withPlanes { planes in panels = planes.compactMap { $0.panels(rows: shape.rows) } }
        guard !panels.isEmpty else { return UnpackedProduct(self) }
        return PreparedCodes(panels, activations: options.activations)
    }

    /// The given rows of W: alpha_1 T_1, then the other planes added in order.
    private func decode(_ planes: [PackedRows], _ rows: Range<Int>, into w: MutableMatrixView) {
        planes[0].decode(rows, into: w)
        withScratch(rows: 1, columns: shape.columns) { plane in
            for rowsOfPlane in planes.dropFirst() {
                for row in rows {
                    rowsOfPlane.decode(row..<row + 1, into: plane)
                    Kernels.best.add(w.row(row - rows.lowerBound), plane.base, shape.columns)
                }
            }
        }
    }

    /// Lends the planes to the kernels. Does nothing for a matrix without weights.
    private func withPlanes(_ body: ([PackedRows]) -> Void) {
        trits.withBytes { trits in
            scales.withUnsafeBufferPointer { scales in
                guard let codes = trits.assumingMemoryBound(to: UInt8.self).baseAddress,
                    let scales = scales.baseAddress
                else { return }
                body(
                    (0..<planes).map { plane in
                        PackedRows(
                            codes: codes + plane * shape.rows * rowBytes, bits: 2, rowBytes: rowBytes,
                            scales: scales + plane * shape.rows * groups, groups: groups, groupSize: groupSize,
                            columns: shape.columns)
                    })
            }
        }
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            let bytes = scales.flatMap {
                [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
            }
            return [
                ("trits", trits),
                ("scales", try Tensor(elementType: .f16, shape: [planes, shape.rows, groups], bytes: bytes)),
            ]
        }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["planes": planes, "groupSize": groupSize]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        planes = try attributes.integer("planes", in: Self.supportedPlanes)
        groupSize = try attributes.integer("groupSize")
        // Bounded so that the sizes of the packed rows cannot overflow.
        for (name, size) in [("rows", shape.rows), ("columns", shape.columns)]
        where !(0...Int(Int32.max)).contains(size) {
            throw StructuredMatrixError.invalidAttribute(
                matrix: attributes.matrix, attribute: name, expected: "0 to \(Int32.max)", got: size)
        }
        self.shape = shape
        trits = try tensors.tensor(
            "trits", shape: [planes, shape.rows, (shape.columns + 3) / 4], elementType: .u8)
        let groups = (shape.columns + groupSize - 1) / groupSize
        scales = try tensors.tensor("scales", shape: [planes, shape.rows, groups], elementType: .f16).withBytes {
            bytes in
            (0..<bytes.count / 2).map {
                UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self))
            }
        }
    }
}
