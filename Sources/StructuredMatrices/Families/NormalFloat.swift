import CKernels
import Tensors

/// Normal floats of 4 bits: w = scale * level[code], the 16 levels being quantiles of the normal distribution with 0
/// among them, one scale for every `groupSize` consecutive weights of a row (the last group of a row may be shorter).
///
/// Scales are quantized themselves: 8-bit steps above the smallest scale, the step shared by 256 scales in the order of
/// rows and groups; what multiplies the levels is that number rounded to binary16. 4.127 bits a weight in groups of 64.
/// rows columns multiply-adds plus the look-ups.
public struct NormalFloat: StructuredMatrix {
    public static let family = Family(
        name: "nf4", summary: "4-bit quantiles of the normal distribution with a scale per group of inputs",
        source: "QLoRA, arXiv 2305.14314")

    /// Scales that share a step.
    public static let scalesPerStep = 256

    /// The normal quantiles of 8 probabilities from 1 - 0.9677083 to 0.5 and 9 from 0.5 to 0.9677083, evenly spaced,
    /// over the largest; 0.5 counts once.
    public static let levels: [Float] = [
        -1, -0.6961928, -0.5250731, -0.3949175, -0.2844414, -0.1847734, -0.0910500, 0, 0.0795803, 0.1609302, 0.2461123,
        0.3379152, 0.4407098, 0.5626170, 0.7229568, 1,
    ]
    /// The code of 0.
    static let zero = 7

    public let shape: MatrixShape
    public let groupSize: Int
    /// U8 [rows, ceil(columns / 2)], two codes a byte, the first in the low bits.
    public let codes: Tensor
    /// Steps above the smallest scale, rows x ceil(columns / groupSize).
    public let scaleCodes: [UInt8]
    /// One for every `scalesPerStep` of them.
    public let steps: [Float]
    public let smallestScale: Float

    /// - Parameters:
    ///   - codes: indices into `levels` less 8, rows x columns.
    ///   - scales: rows x ceil(columns / groupSize).
    /// - Throws: `StructuredMatrixError.invalidSize` for other counts or codes.
    public init(codes: [Int8], scales: QuantizedScales, shape: MatrixShape, groupSize: Int) throws {
        func invalid(_ reason: String) -> StructuredMatrixError {
            .invalidSize(family: Self.family.name, shape: shape, reason: reason)
        }
        guard groupSize > 0 else { throw invalid("groups must have at least one weight, got \(groupSize)") }
        guard shape.rows >= 0, shape.columns >= 0 else { throw invalid("sizes cannot be negative") }
        guard codes.count == shape.count else { throw invalid("it needs \(shape.count) codes, got \(codes.count)") }
        let groups = shape.columns.dividedRoundingUp(by: groupSize)
        guard scales.codes.count == shape.rows * groups else {
            throw invalid("it needs \(shape.rows * groups) scales, got \(scales.codes.count)")
        }
        if let code = codes.first(where: { !(-8...7).contains($0) }) { throw invalid("code \(code) does not fit 4 bits") }
        self.shape = shape
        self.groupSize = groupSize
        self.codes = try Tensor(
            elementType: .u8, shape: [shape.rows, CodeStream.rowBytes(columns: shape.columns, bits: 4)],
            bytes: CodeStream.pack(codes, rows: shape.rows, columns: shape.columns, bits: 4))
        scaleCodes = scales.codes
        steps = scales.steps
        smallestScale = scales.smallest
    }

    /// Scales as 8-bit steps above the smallest.
    public struct QuantizedScales: Sendable {
        public let codes: [UInt8]
        public let steps: [Float]
        public let smallest: Float

        /// - Parameter scales: brought between 0 and the largest binary16 number first.
        public init(_ scales: [Float]) {
            let scales = scales.map { $0 > 0 ? min($0, 65504) : 0 }
            let smallest = scales.min() ?? 0
            self.smallest = smallest
            var (codes, steps): ([UInt8], [Float]) = ([], [])
            for start in stride(from: 0, to: scales.count, by: NormalFloat.scalesPerStep) {
                let block = scales[start..<min(scales.count, start + NormalFloat.scalesPerStep)]
                let step = ((block.max() ?? 0) - smallest) / 255
                steps.append(step)
                codes += block.map { step > 0 ? UInt8(min(255, (($0 - smallest) / step).rounded())) : 0 }
            }
            self.codes = codes
            self.steps = steps
        }

        /// What multiplies the levels.
        public var values: [Float] {
            NormalFloat.halves(codes, steps, smallest).map(HalfFloat.value(of:))
        }
    }

    /// Binary16 patterns of the scales.
    private static func halves(_ codes: [UInt8], _ steps: [Float], _ smallest: Float) -> [UInt16] {
        codes.enumerated().map { index, code in
            // One rounding for the product and the sum each, so that every machine reads the same scale.
            let above = Float(code) * steps[index / scalesPerStep]
            return HalfFloat.bits(of: smallest + above)
        }
    }

    private var groups: Int { shape.columns.dividedRoundingUp(by: groupSize) }

    public var cost: Cost { Self.cost(shape: shape, groupSize: groupSize) }

    /// What a matrix of such groups costs.
    public static func cost(shape: MatrixShape, groupSize: Int) -> Cost {
        let scales = shape.rows * shape.columns.dividedRoundingUp(by: groupSize)
        let steps = scales.dividedRoundingUp(by: scalesPerStep)
        return Cost(
            parameters: shape.count + scales + steps + 1,
            storedBytes: shape.rows * CodeStream.rowBytes(columns: shape.columns, bits: 4) + scales + 4 * steps + 4,
            multiplyAdds: shape.count)
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        withRows { rows in
            DecodedRows.apply(input, into: output, shape: shape, context: context) { rows.decode($0, into: $1) }
        }
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        withRows { rows in
            DecodedRows.applyTransposed(input, into: output, shape: shape, context: context) {
                rows.decode($0, into: $1)
            }
        }
    }

    /// Packs the codes in panels where groups are made up of whole ones of theirs. Activations stay as they are: the
    /// levels are no integers.
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        var panels: PackedCodes?
        withRows { rows in
            guard let group = PackedCodes.panelGroup(groupSize: groupSize, columns: shape.columns) else { return }
            panels = PackedCodes(
                shape: shape, bits: 4, zero: Self.zero, groupSize: group,
                scales: { row, index in rows.scales[row * groups + index * group / groupSize] },
                codes: { row, target in
                    tessera_unpack_codes(4, rows.codes + row * rows.rowBytes, shape.columns, target)
                })
        }
        return panels.map { PreparedLookup(panels: $0, table: Self.levels) } ?? UnpackedProduct(self)
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        var result = Matrix(rows: rows.count, columns: shape.columns)
        withRows { stored in
            result = DecodedRows.gather(rows: rows, columns: shape.columns) { stored.decode($0, into: $1) }
        }
        return result
    }

    /// Borrowed rows, read only: safe to share among the threads of one call.
    private struct Rows: @unchecked Sendable {
        let codes: UnsafePointer<UInt8>
        let rowBytes: Int
        let scales: [UInt16]
        let groups: Int
        let groupSize: Int
        let columns: Int

        func decode(_ rows: Range<Int>, into w: MutableMatrixView) {
            withUnsafeTemporaryAllocation(of: Float.self, capacity: NormalFloat.levels.count) { scaled in
                for row in rows {
                    let (source, target) = (codes + row * rowBytes, w.row(row - rows.lowerBound))
                    for group in 0..<groups {
                        // A product for each level, where a group has several times as many weights.
                        let scale = HalfFloat.value(of: scales[row * groups + group])
                        for (index, level) in NormalFloat.levels.enumerated() { scaled[index] = scale * level }
                        let end = min(columns, (group + 1) * groupSize)
                        var column = group * groupSize
                        if column % 2 == 1 {
                            target[column] = scaled[Int(source[column / 2] >> 4)]
                            column += 1
                        }
                        while column + 1 < end {
                            let both = Int(source[column / 2])
                            target[column] = scaled[both & 15]
                            target[column + 1] = scaled[both >> 4]
                            column += 2
                        }
                        if column < end { target[column] = scaled[Int(source[column / 2]) & 15] }
                    }
                }
            }
        }
    }

    /// Lends the codes with their scales. Does nothing for a matrix without weights.
    private func withRows(_ body: (Rows) -> Void) {
        codes.withBytes { codes in
            guard let codes = codes.assumingMemoryBound(to: UInt8.self).baseAddress else { return }
            body(
                Rows(
                    codes: codes, rowBytes: CodeStream.rowBytes(columns: shape.columns, bits: 4),
                    scales: Self.halves(scaleCodes, steps, smallestScale), groups: groups, groupSize: groupSize,
                    columns: shape.columns))
        }
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            [
                ("codes", codes),
                ("scales", try Tensor(elementType: .u8, shape: [shape.rows, groups], bytes: scaleCodes)),
                ("steps", try Tensor(steps, shape: [steps.count])),
                ("smallest", try Tensor([smallestScale], shape: [1])),
            ]
        }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["groupSize": groupSize]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        groupSize = try attributes.integer("groupSize")
        try attributes.check(shape)
        self.shape = shape
        codes = try tensors.tensor(
            "codes", shape: [shape.rows, CodeStream.rowBytes(columns: shape.columns, bits: 4)], elementType: .u8)
        let groups = shape.columns.dividedRoundingUp(by: groupSize)
        scaleCodes = try tensors.tensor("scales", shape: [shape.rows, groups], elementType: .u8).withBytes(Array.init)
        let stepCount = (shape.rows * groups).dividedRoundingUp(by: Self.scalesPerStep)
        steps = try tensors.tensor("steps", shape: [stepCount], elementType: .f32).floats()
        smallestScale = try tensors.tensor("smallest", shape: [1], elementType: .f32).floats()[0]
    }
}
