import StructuredMatrices
import Tensors

/// How a benchmark makes an instance of a family with random numbers in it: one entry for every form that is timed.
package struct RandomFamily: Sendable {
    /// As `--families` names it.
    package let name: String
    /// What is special about the instances, for tables: "2 blocks".
    package let form: String
    /// Whether its numbers may be kept in any precision; otherwise the form fixes them.
    package let hasPrecision: Bool
    package let activations: ActivationRounding
    /// An instance with about `share` of the parameters of a dense matrix (where the form leaves a choice), in a precision;
    /// nil where the shape does not allow it.
    package let make:
        @Sendable (_ shape: MatrixShape, _ share: Double, Precision, inout SeededGenerator) throws -> (any StructuredMatrix)?

    init(
        _ name: String, form: String = "", hasPrecision: Bool = true, activations: ActivationRounding = .none,
        make: @escaping @Sendable (MatrixShape, Double, Precision, inout SeededGenerator) throws -> (any StructuredMatrix)?
    ) {
        (self.name, self.form, self.hasPrecision, self.activations) = (name, form, hasPrecision, activations)
        self.make = make
    }

    /// Everything that `bench kernels` times against dense, in the order of its tables.
    package static let all: [RandomFamily] = [
        RandomFamily("low-rank") { shape, share, precision, generator in
            let rank = Int(share * Double(shape.count) / Double(shape.rows + shape.columns))
            guard rank >= 1 else { return nil }
            return LowRank(
                u: generator.factor([shape.rows, rank], inner: rank, precision),
                v: generator.factor([rank, shape.columns], inner: shape.columns, precision))
        },
        RandomFamily("block-diagonal") { shape, share, precision, generator in
            let blocks = Int((1 / share).rounded())
            guard shape.rows % blocks == 0, shape.columns % blocks == 0 else { return nil }
            let (rows, columns) = (shape.rows / blocks, shape.columns / blocks)
            return BlockDiagonal(blocks: generator.factor([blocks, rows, columns], inner: columns, precision))
        },
        RandomFamily("monarch", form: "4 blocks") { shape, share, precision, generator in
            let blocks = 4
            let rank = Int(share * Double(shape.count) / Double(blocks * (shape.rows + shape.columns)))
            guard shape.rows % blocks == 0, shape.columns % blocks == 0, rank >= 1 else { return nil }
            let (rows, columns) = (shape.rows / blocks, shape.columns / blocks)
            return Monarch(
                right: generator.factor([blocks, blocks * rank, columns], inner: columns, precision),
                left: generator.factor([blocks, rows, blocks * rank], inner: blocks * rank, precision))
        },
        RandomFamily("blast", form: "b = 16") { shape, share, precision, generator in
            let b = 16
            let rank = Int(share * Double(shape.count) / Double(shape.rows + shape.columns + b * b))
            guard shape.rows % b == 0, shape.columns % b == 0, rank >= 1 else { return nil }
            return BLAST(
                u: generator.factor([b, shape.rows / b, rank], inner: rank, precision),
                s: generator.factor([b, b, rank], inner: b, precision),
                v: generator.factor([b, shape.columns / b, rank], inner: shape.columns / b, precision))
        },
        RandomFamily("nm-sparse", form: "2:4") { shape, share, precision, generator in
            guard share == 0.5, shape.columns % 4 == 0 else { return nil }
            let pairs: [[UInt8]] = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
            let places = (0..<shape.count / 4).flatMap { _ in pairs[Int(generator.next() % 6)] }
            return try NMSparse(
                values: generator.factor([places.count], inner: shape.columns / 2, precision).values, places: places,
                shape: shape, kept: 2, group: 4, precision: precision)
        },
        RandomFamily("csr") { shape, share, precision, generator in
            let weight = Matrix(
                rows: shape.rows, columns: shape.columns,
                elements: generator.factor([shape.count], inner: shape.columns, precision).values)
            let below = UInt64(share * 65536)
            return CompressedSparseRows(weight, precision: precision) { _, _ in generator.next() >> 48 < below }
        },
        RandomFamily("group-sparse", form: "16 rows") { shape, share, precision, generator in
            let (tile, kept) = (16, max(1, Int(share * Double(shape.columns))))
            // Evenly spread from a random start.
            let columns = (0..<(shape.rows + tile - 1) / tile).flatMap { _ -> [UInt32] in
                let first = Int(generator.next() % UInt64(shape.columns))
                return (0..<kept).map { UInt32((first + $0 * shape.columns / kept) % shape.columns) }.sorted()
            }
            return try GroupSparse(
                values: generator.factor([shape.rows * kept], inner: kept, precision).values, columns: columns,
                shape: shape, kept: kept, tile: tile, precision: precision)
        },
        quantized(bits: 8), quantized(bits: 8, groupSize: 128), quantized(bits: 4), quantized(bits: 2),
        RandomFamily(
            "trit-planes", form: "2 planes, groups of 128, int8 activations", hasPrecision: false, activations: .int8
        ) { shape, _, _, generator in try generator.tritPlanes(shape, planes: 2, groupSize: 128) },
        RandomFamily(
            "int4-asymmetric", form: "groups of 64, int8 activations", hasPrecision: false, activations: .int8
        ) { shape, _, _, generator in try generator.asymmetricQuantized(shape, bits: 4, groupSize: 64) },
        RandomFamily("nf4", form: "groups of 64", hasPrecision: false) { shape, _, _, generator in
            try generator.normalFloat(shape, groupSize: 64)
        },
    ]

    /// "int8" has groups of 32, "int8-128" of 128.
    private static func quantized(bits: Int, groupSize: Int = 32) -> RandomFamily {
        RandomFamily(
            groupSize == 32 ? "int\(bits)" : "int\(bits)-\(groupSize)", form: "groups of \(groupSize), int8 activations",
            hasPrecision: false, activations: .int8
        ) { shape, _, _, generator in
            let groups = (shape.columns + groupSize - 1) / groupSize
            let largest = Float(1 << (bits - 1)) * Float(shape.columns).squareRoot()
            let scales = generator.uniform(shape.rows * groups).map { (1.5 + 0.5 * $0) / largest }
            return try Quantized(
                codes: generator.codes(shape.count, bits: bits), scales: scales, shape: shape, bits: bits,
                groupSize: groupSize)
        }
    }
}

extension SeededGenerator {
    /// Random matrices of the families whose codes are small, of a size that keeps products at that of their inputs.
    package mutating func asymmetricQuantized(
        _ shape: MatrixShape, bits: Int, groupSize: Int
    ) throws -> AsymmetricQuantized {
        let groups = shape.rows * ((shape.columns + groupSize - 1) / groupSize)
        let scale = 1 / (Float(1 << (bits - 1)) * Float(shape.columns).squareRoot())
        return try AsymmetricQuantized(
            codes: codes(shape.count, bits: bits), scales: uniform(groups).map { (1.5 + 0.5 * $0) * scale },
            zeros: uniform(groups).map { Int8($0 * 20) }, shape: shape, bits: bits, groupSize: groupSize)
    }

    package mutating func normalFloat(_ shape: MatrixShape, groupSize: Int) throws -> NormalFloat {
        let groups = shape.rows * ((shape.columns + groupSize - 1) / groupSize)
        let scale = 1 / Float(shape.columns).squareRoot()
        return try NormalFloat(
            codes: codes(shape.count, bits: 4),
            scales: NormalFloat.QuantizedScales(uniform(groups).map { (1.5 + 0.5 * $0) * scale }), shape: shape,
            groupSize: groupSize)
    }

    package mutating func tritPlanes(_ shape: MatrixShape, planes: Int, groupSize: Int) throws -> TritPlanes {
        let groups = shape.rows * ((shape.columns + groupSize - 1) / groupSize)
        let scale = 1 / Float(shape.columns).squareRoot()
        return try TritPlanes(
            trits: uniform(planes * shape.count).map { Int8(($0 * 1.5).rounded(.towardZero)) },
            scales: uniform(planes * groups).map { (1.5 + 0.5 * $0) * scale }, planes: planes, shape: shape,
            groupSize: groupSize)
    }

    /// Random numbers of a size that keeps a sum over `inner` of them times numbers of size 1 at size 1.
    package mutating func factor(_ shape: [Int], inner: Int, _ precision: Precision) -> Factor {
        let scale = (3 / Float(max(1, inner))).squareRoot()
        return Factor(uniform(shape.reduce(1, *)).map { $0 * scale }, shape: shape, precision: precision)
    }
}
