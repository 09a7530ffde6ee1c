import Tensors

/// Product quantization: the columns are cut into runs (sub-spaces), and every row takes, in each of them, one of K
/// centroids. A look-up puts S pieces together; a product needs the inputs' products with all centroids once, and then S
/// additions for a row.
///
/// Column c of centroid k of the sub-space that holds it is `centroids[k, c]`: one K x columns factor, whose runs of columns
/// belong together. S ceil(log2 K) bits a row and K columns numbers. K columns + S rows multiply-adds (the second are additions).
public struct ProductQuantized: StructuredMatrix {
    public static let family = Family(
        name: "product-quantized", summary: "every run of a row is one of a few centroids, by a code",
        source: "JPQ, arXiv 2108.00644")

    /// Of K; codes take 16 bits then.
    public static let mostCentroids = 1 << 16

    public let shape: MatrixShape
    /// First column of every sub-space, ascending from 0.
    public let starts: [Int]
    /// K x columns.
    public let centroids: Factor
    /// U8 [rows, ceil(S bits / 8)], a little-endian bit stream per row.
    public let codes: Tensor

    public var subspaces: Int { starts.count }
    private var count: Int { centroids.shape[0] }
    private var bits: Int { Self.bits(centroids: count) }
    private var rowBytes: Int { CodeStream.rowBytes(columns: subspaces, bits: bits) }

    /// Bits of a code for one of so many centroids.
    public static func bits(centroids: Int) -> Int {
        max(1, Int.bitWidth - (max(1, centroids) - 1).leadingZeroBitCount)
    }

    /// - Parameters:
    ///   - codes: rows x sub-spaces, each below the number of centroids.
    ///   - starts: first column of every sub-space.
    ///   - centroids: K x columns.
    /// - Throws: `StructuredMatrixError.invalidSize` for sizes that do not fit together.
    public init(codes: [UInt16], starts: [Int], centroids: Factor, rows: Int) throws {
        let columns = centroids.shape.last ?? 0
        let shape = MatrixShape(rows: rows, columns: columns)
        func invalid(_ reason: String) -> StructuredMatrixError {
            .invalidSize(family: Self.family.name, shape: shape, reason: reason)
        }
        guard rows >= 0, centroids.shape.count == 2 else { throw invalid("sizes cannot be negative, and centroids are a matrix") }
        let count = centroids.shape[0]
        guard (1...Self.mostCentroids).contains(count) else {
            throw invalid("it takes 1 to \(Self.mostCentroids) centroids, got \(count)")
        }
        if let reason = Self.objection(to: starts, columns: columns) { throw invalid(reason) }
        guard codes.count == rows * starts.count else {
            throw invalid("it needs \(rows * starts.count) codes, got \(codes.count)")
        }
        if let code = codes.first(where: { Int($0) >= count }) { throw invalid("there is no centroid \(code)") }
        self.shape = shape
        self.starts = starts
        self.centroids = centroids
        let bits = Self.bits(centroids: count)
        let rowBytes = CodeStream.rowBytes(columns: starts.count, bits: bits)
        self.codes = try Tensor(
            elementType: .u8, shape: [rows, rowBytes],
            bytes: Self.packed(codes, rows: rows, columns: starts.count, bits: bits, rowBytes: rowBytes))
    }

    private static func objection(to starts: [Int], columns: Int) -> String? {
        guard starts.first == 0, zip(starts, starts.dropFirst()).allSatisfy({ $0 < $1 }), (starts.last ?? 0) < columns else {
            return "sub-spaces must start at 0 and ascend below \(columns)"
        }
        return nil
    }

    private static func packed(_ codes: [UInt16], rows: Int, columns: Int, bits: Int, rowBytes: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: rows * rowBytes)
        for row in 0..<rows {
            var (word, held, byte) = (UInt32(0), 0, row * rowBytes)
            for column in 0..<columns {
                word |= UInt32(codes[row * columns + column]) << UInt32(held)
                held += bits
                while held >= 8 {
                    bytes[byte] = UInt8(truncatingIfNeeded: word)
                    (word, held, byte) = (word >> 8, held - 8, byte + 1)
                }
            }
            if held > 0 { bytes[byte] = UInt8(truncatingIfNeeded: word) }
        }
        return bytes
    }

    public var cost: Cost {
        Self.cost(shape: shape, subspaces: subspaces, centroids: count, precision: centroids.precision)
    }

    public static func cost(shape: MatrixShape, subspaces: Int, centroids: Int, precision: Precision) -> Cost {
        let codeBytes = shape.rows * CodeStream.rowBytes(columns: subspaces, bits: bits(centroids: centroids))
        let numbers = centroids * shape.columns
        return Cost(
            parameters: numbers,
            storedBytes: codeBytes + numbers * precision.elementType.byteCount
                + subspaces * Permutation.elementType(shape.columns).byteCount,
            multiplyAdds: numbers + shape.rows * subspaces)
    }

    // MARK: Products

    /// Rows of a batch whose products with the centroids stand side by side in one look-up.
    private static let lanes = 16
    /// Rows of W that one thread sums up at a time.
    private static let panel = 512

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        guard input.rows <= DenseProduct.largestKernelBatch else {
            return withCodes { codes in
                DecodedRows.apply(input, into: output, shape: shape, context: context) { codes.decode($0, into: $1) }
            }
        }
        let context = DenseProduct.isShared(batch: input.rows, weights: shape.rows * subspaces) ? context : .serial
        withCodes { codes in
            for first in stride(from: 0, to: input.rows, by: Self.lanes) {
                let rows = first..<min(input.rows, first + Self.lanes)
                // One row alone does the same sums in scalars: the same bits for a sixteenth of the work.
                if rows.count == 1 {
                    lookUp(input.rows(rows), output.rows(rows), codes, context, Float(0)) {
                        $0.row(0)[$1]
                    } store: {
                        $0.row(0)[$1] = $2
                    }
                } else {
                    lookUp(input.rows(rows), output.rows(rows), codes, context, SIMD16<Float>(repeating: 0)) { input, column in
                        var lanes = SIMD16<Float>(repeating: 0)
                        for row in 0..<input.rows { lanes[row] = input.row(row)[column] }
                        return lanes
                    } store: { output, column, sums in
                        for row in 0..<output.rows { output.row(row)[column] = sums[row] }
                    }
                }
            }
        }
    }

    /// The sums of a few rows of the batch, each a lane of `Sums`, by tables of the inputs' products with all centroids.
    @inline(__always)
    private func lookUp<Sums: CentroidSums>(
        _ input: MatrixView, _ output: MutableMatrixView, _ codes: Codes, _ context: ExecutionContext, _ zero: Sums,
        load: (MatrixView, Int) -> Sums, store: @Sendable (MutableMatrixView, Int, Sums) -> Void
    ) {
        let (count, subspaces) = (codes.count, codes.starts.count)
        let inputs = UnsafeMutablePointer<Sums>.allocate(capacity: max(1, shape.columns))
        defer { inputs.deallocate() }
        for column in 0..<shape.columns { (inputs + column).initialize(to: load(input, column)) }
        // Every sub-space's table is written by one thread before any is read.
        nonisolated(unsafe) let tables = UnsafeMutablePointer<Sums>.allocate(capacity: max(1, subspaces * count))
        defer { tables.deallocate() }
        for subspace in 0..<subspaces {
            let table = tables + subspace * count
            let columns = codes.columns(subspace)
            for centroid in 0..<count {
                let values = codes.centroids + centroid * shape.columns
                var sum = zero
                for column in columns { sum.add(inputs[column], times: values[column]) }
                (table + centroid).initialize(to: sum)
            }
        }
        context.parallelFor((shape.rows + Self.panel - 1) / Self.panel) { panel in
            for row in panel * Self.panel..<min(shape.rows, (panel + 1) * Self.panel) {
                var sum = zero
                for subspace in 0..<subspaces { sum.add(tables[subspace * count + codes.code(row, subspace)]) }
                store(output, row, sum)
            }
        }
    }

    public func applyTransposed(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        withCodes { codes in
            DecodedRows.applyTransposed(input, into: output, shape: shape, context: context) { codes.decode($0, into: $1) }
        }
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        var result = Matrix(rows: rows.count, columns: shape.columns)
        withCodes { codes in
            result = DecodedRows.gather(rows: rows, columns: shape.columns) { codes.decode($0, into: $1) }
        }
        return result
    }

    /// Borrowed codes and centroids, read only: safe to share among the threads of one call.
    private struct Codes: @unchecked Sendable {
        let bytes: UnsafePointer<UInt8>
        let rowBytes: Int
        let bits: Int
        let count: Int
        let starts: [Int]
        let width: Int
        let centroids: UnsafePointer<Float>

        func columns(_ subspace: Int) -> Range<Int> {
            starts[subspace]..<(subspace + 1 < starts.count ? starts[subspace + 1] : width)
        }

        @inline(__always)
        func code(_ row: Int, _ subspace: Int) -> Int {
            let stream = bytes + row * rowBytes
            if bits == 8 { return Int(stream[subspace]) }
            let (byte, shift) = (subspace * bits / 8, subspace * bits % 8)
            var word = Int(stream[byte])
            if byte + 1 < rowBytes { word |= Int(stream[byte + 1]) << 8 }
            if byte + 2 < rowBytes { word |= Int(stream[byte + 2]) << 16 }
            return word >> shift & (1 << bits - 1)
        }

        func decode(_ rows: Range<Int>, into w: MutableMatrixView) {
            for row in rows {
                let target = w.row(row - rows.lowerBound)
                for subspace in starts.indices {
                    let columns = columns(subspace)
                    (target + columns.lowerBound).update(
                        from: centroids + code(row, subspace) * width + columns.lowerBound, count: columns.count)
                }
            }
        }
    }

    /// Lends the codes with the centroids. Does nothing for a matrix without rows.
    private func withCodes(_ body: (Codes) -> Void) {
        codes.withBytes { bytes in
            guard let base = bytes.assumingMemoryBound(to: UInt8.self).baseAddress else { return }
            centroids.withView { centroids in
                body(
                    Codes(
                        bytes: base, rowBytes: rowBytes, bits: bits, count: count, starts: starts, width: shape.columns,
                        centroids: centroids.base))
            }
        }
    }

    private init(shape: MatrixShape, starts: [Int], centroids: Factor, codes: Tensor) {
        self.shape = shape
        self.starts = starts
        self.centroids = centroids
        self.codes = codes
    }

    // MARK: Storage

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            [
                ("codes", codes), ("centroids", try centroids.tensor),
                ("starts", try Tensor(indices: starts, below: shape.columns)),
            ]
        }
    }

    public var attributes: FamilyAttributes { FamilyAttributes(["centroids": count, "subspaces": subspaces]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        try attributes.check(shape)
        let count = try attributes.integer("centroids", in: 1...Self.mostCentroids)
        let subspaces = try attributes.integer("subspaces", in: 1...max(1, shape.columns))
        let bits = Self.bits(centroids: count)
        let starts = try tensors.indices("starts", count: subspaces, below: shape.columns)
        if let reason = Self.objection(to: starts, columns: shape.columns) { throw tensors.invalid("starts", reason) }
        self.init(
            shape: shape, starts: starts, centroids: try tensors.factor("centroids", shape: [count, shape.columns]),
            codes: try tensors.tensor(
                "codes", shape: [shape.rows, CodeStream.rowBytes(columns: subspaces, bits: bits)], elementType: .u8))
        // Where every code of that many bits names a centroid there is nothing to look for.
        guard count < 1 << bits else { return }
        var missing: Int?
        withCodes { codes in
            for row in 0..<shape.rows where missing == nil {
                missing = (0..<subspaces).lazy.map { codes.code(row, $0) }.first { $0 >= count }
            }
        }
        if let missing { throw tensors.invalid("codes", "there is no centroid \(missing)") }
    }
}

/// What a table of products with centroids holds: one number, or one for each of several rows of a batch.
private protocol CentroidSums: Sendable, SendableMetatype {
    mutating func add(_ other: Self)
    mutating func add(_ other: Self, times factor: Float)
}

extension Float: CentroidSums {
    @inline(__always) fileprivate mutating func add(_ other: Float) { self += other }
    @inline(__always) fileprivate mutating func add(_ other: Float, times factor: Float) { self += other * factor }
}

extension SIMD16<Float>: CentroidSums {
    @inline(__always) fileprivate mutating func add(_ other: Self) { self += other }
    @inline(__always) fileprivate mutating func add(_ other: Self, times factor: Float) { self += other * factor }
}
