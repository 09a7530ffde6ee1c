import Tensors

/// A sum of rank-one patches, each on an interval of rows and an interval of columns, which may wrap around the end:
/// W = sum over k of (u_k on rows I_k) (v_k on columns J_k)^T. Intervals of full length make it low-rank, short ones blocks.
///
/// |I_k| + |J_k| numbers and multiply-adds for every patch, and four integers.
public struct IntervalPatches: StructuredMatrix {
    public static let family = Family(
        name: "gaudi-gblr", summary: "sum of rank-one patches on intervals of rows and of columns", source: "arXiv 2310.18882")

    /// A run of consecutive places, from the first one on again after the last.
    public struct Interval: Sendable, Equatable {
        public let start: Int
        public let count: Int

        public init(start: Int, count: Int) { (self.start, self.count) = (start, count) }

        /// Whether it is one of `size` places.
        func isValid(in size: Int) -> Bool { start >= 0 && start < max(1, size) && count >= 0 && count <= size }

        /// The runs that do not wrap, with the place in the interval at which each begins.
        @inline(__always)
        func runs(in size: Int) -> (first: Range<Int>, second: Range<Int>) {
            let end = min(size, start + count)
            return (start..<end, 0..<count - (end - start))
        }

        /// The place of an index in the interval, nil outside it.
        func place(of index: Int, in size: Int) -> Int? {
            let place = index >= start ? index - start : index - start + size
            return place < count ? place : nil
        }
    }

    public struct Patch: Sendable, Equatable {
        public let rows: Interval
        public let columns: Interval

        public init(rows: Interval, columns: Interval) { (self.rows, self.columns) = (rows, columns) }
    }

    public let shape: MatrixShape
    public let patches: [Patch]
    /// u_1, u_2, ... one after another.
    public let left: Factor
    /// v_1, v_2, ... one after another.
    public let right: Factor

    /// - Throws: `StructuredMatrixError.invalidSize` for intervals outside the matrix and other counts of numbers.
    public init(patches: [Patch], left: Factor, right: Factor, shape: MatrixShape) throws {
        func invalid(_ reason: String) -> StructuredMatrixError {
            .invalidSize(family: Self.family.name, shape: shape, reason: reason)
        }
        for patch in patches where !patch.rows.isValid(in: shape.rows) || !patch.columns.isValid(in: shape.columns) {
            throw invalid("a patch has rows from \(patch.rows.start) on and columns from \(patch.columns.start) on")
        }
        let (rows, columns) = Self.entries(patches)
        guard left.shape == [rows], right.shape == [columns] else {
            throw invalid("its patches need \(rows) and \(columns) numbers, got \(left.count) and \(right.count)")
        }
        (self.shape, self.patches, self.left, self.right) = (shape, patches, left, right)
    }

    private static func entries(_ patches: [Patch]) -> (rows: Int, columns: Int) {
        patches.reduce((0, 0)) { ($0.0 + $1.rows.count, $0.1 + $1.columns.count) }
    }

    public var cost: Cost {
        Self.cost(entries: left.count + right.count, patches: patches.count, precision: left.precision)
    }

    public static func cost(entries: Int, patches: Int, precision: Precision) -> Cost {
        Cost(
            parameters: entries + 4 * patches,
            storedBytes: entries * precision.elementType.byteCount + 16 * patches, multiplyAdds: entries)
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        run(input, into: output, context: context, from: right, { $0.columns }, to: left, { $0.rows })
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        run(input, into: output, context: context, from: left, { $0.rows }, to: right, { $0.columns })
    }

    private func run(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext, from reading: Factor,
        _ read: @Sendable (Patch) -> Interval, to writing: Factor, _ written: @Sendable (Patch) -> Interval
    ) {
        let (from, to) = (reading.values, writing.values)
        DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: from.count + to.count, context: context) { rows, _ in
            from.withUnsafeBufferPointer { from in
                to.withUnsafeBufferPointer { to in
                    for row in rows {
                        let (x, y) = (input.row(row), output.row(row))
                        for place in 0..<output.columns { y[place] = 0 }
                        var (fromStart, toStart) = (0, 0)
                        for patch in patches {
                            let (source, target) = (read(patch), written(patch))
                            let inputs = source.runs(in: input.columns)
                            var (sum, next) = (Float(0), fromStart)
                            for place in inputs.first { sum += from[next] * x[place]; next += 1 }
                            for place in inputs.second { sum += from[next] * x[place]; next += 1 }
                            let outputs = target.runs(in: output.columns)
                            next = toStart
                            for place in outputs.first { y[place] += sum * to[next]; next += 1 }
                            for place in outputs.second { y[place] += sum * to[next]; next += 1 }
                            fromStart += source.count
                            toStart += target.count
                        }
                    }
                }
            }
        }
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        let (u, v) = (left.values, right.values)
        var result = Matrix(rows: rows.count, columns: shape.columns)
        result.withMutableView { result in
            var (leftStart, rightStart) = (0, 0)
            for patch in patches {
                let columns = patch.columns.runs(in: shape.columns)
                for (place, row) in rows.enumerated() {
                    guard let entry = patch.rows.place(of: row, in: shape.rows) else { continue }
                    let (scale, target) = (u[leftStart + entry], result.row(place))
                    var next = rightStart
                    for column in columns.first { target[column] += scale * v[next]; next += 1 }
                    for column in columns.second { target[column] += scale * v[next]; next += 1 }
                }
                leftStart += patch.rows.count
                rightStart += patch.columns.count
            }
        }
        return result
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            let numbers = patches.flatMap { [$0.rows.start, $0.rows.count, $0.columns.start, $0.columns.count] }
            let bytes = numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
            return [
                ("intervals", try Tensor(elementType: .u32, shape: [patches.count, 4], bytes: bytes)),
                ("left", try left.tensor), ("right", try right.tensor),
            ]
        }
    }
    public var attributes: FamilyAttributes {
        FamilyAttributes(["patches": patches.count, "outputs": shape.rows, "inputs": shape.columns])
    }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        try attributes.check(shape)
        // No tensor tells the sizes: intervals within a matrix are within any larger one.
        for (name, size) in [("outputs", shape.rows), ("inputs", shape.columns)] {
            _ = try attributes.integer(name, in: size...size)
        }
        let count = try attributes.integer("patches", in: 0...Int(Int32.max))
        let numbers = try tensors.tensor("intervals", shape: [count, 4], elementType: .u32).withBytes { bytes in
            (0..<4 * count).map {
                Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
            }
        }
        let patches = (0..<count).map { patch in
            Patch(
                rows: Interval(start: numbers[4 * patch], count: numbers[4 * patch + 1]),
                columns: Interval(start: numbers[4 * patch + 2], count: numbers[4 * patch + 3]))
        }
        for (index, patch) in patches.enumerated()
        where !patch.rows.isValid(in: shape.rows) || !patch.columns.isValid(in: shape.columns) {
            throw tensors.invalid("intervals", "patch \(index) is not within the matrix")
        }
        let (rows, columns) = Self.entries(patches)
        self.shape = shape
        self.patches = patches
        left = try tensors.factor("left", shape: [rows])
        right = try tensors.factor("right", shape: [columns])
    }
}
