import StructuredMatrices
import Tensors
import Testing

/// How to make instances of one family for the law tests. A new family is tested by one entry here.
struct Specimen: Sendable {
    let family: any StructuredMatrix.Type
    /// Instances of this shape; none where the family cannot represent it.
    let make: @Sendable (MatrixShape, Precision, inout SeededGenerator) throws -> [any StructuredMatrix]
}

extension Specimen {
    static let all: [Specimen] = [
        Specimen(family: Dense.self) { shape, precision, generator in
            [Dense(.random([shape.rows, shape.columns], precision, &generator))]
        },
        Specimen(family: LowRank.self) { shape, precision, generator in
            [1, 5].map { rank in
                LowRank(
                    u: .random([shape.rows, rank], precision, &generator),
                    v: .random([rank, shape.columns], precision, &generator))
            }
        },
        Specimen(family: BlockDiagonal.self) { shape, precision, generator in
            commonDivisors(shape.rows, shape.columns).map { blocks in
                BlockDiagonal(
                    blocks: .random(
                        [blocks, shape.rows / blocks, shape.columns / blocks], precision, &generator))
            }
        },
        Specimen(family: BlockShuffle.self) { shape, precision, generator in
            commonDivisors(shape.rows, shape.columns).map { blocks in
                let size = min(shape.rows, shape.columns) / blocks
                return BlockShuffle(
                    first: .random([blocks, size, shape.columns / blocks], precision, &generator),
                    second: .random([blocks, shape.rows / blocks, size], precision, &generator))
            }
        },
        Specimen(family: BlockDense.self) { shape, precision, generator in
            commonDivisors(shape.columns, shape.columns).map { blocks in
                BlockDense(
                    first: .random([blocks, 2, shape.columns / blocks], precision, &generator),
                    second: .random([shape.rows, 2 * blocks], precision, &generator))
            }
        },
        Specimen(family: Monarch.self) { shape, precision, generator in
            var result: [any StructuredMatrix] = []
            for (blocks, groups, rank) in [(1, 1, 3), (2, 3, 1), (5, 3, 2), (4, 4, 2), (5, 7, 1), (8, 2, 3)]
            where shape.columns % blocks == 0 && shape.rows % groups == 0 {
                for strided in [true, false] {
                    result.append(
                        Monarch(
                            right: .random(
                                [blocks, groups * rank, shape.columns / blocks], precision, &generator),
                            left: .random(
                                [groups, shape.rows / groups, blocks * rank], precision, &generator),
                            strided: strided))
                }
            }
            return result
        },
        Specimen(family: BLAST.self) { shape, precision, generator in
            // 19 components: one full vector of the middle step and a rest.
            zip(commonDivisors(shape.rows, shape.columns), [3, 19, 1, 4]).map { blocks, rank in
                BLAST(
                    u: .random([blocks, shape.rows / blocks, rank], precision, &generator),
                    s: .random([blocks, blocks, rank], precision, &generator),
                    v: .random([blocks, shape.columns / blocks, rank], precision, &generator))
            }
        },
        Specimen(family: Quantized.self) { shape, precision, generator in
            // Precision is the family's own; spread the bits over the asked ones so that all are seen.
            let bits = precision == .f32 ? [2, 8] : precision == .f16 ? [3, 5] : [4, 6]
            return try bits.map { bits in
                let range = Quantized.range(bits: bits)
                let groupSize = precision == .bf16 ? 32 : 4
                return try Quantized(
                    codes: (0..<shape.count).map { _ in Int8(Int.random(in: range, using: &generator)) },
                    scales: (0..<shape.rows * ((shape.columns + groupSize - 1) / groupSize)).map { _ in
                        Float(generator.nextUniform())
                    },
                    shape: shape, bits: bits, groupSize: groupSize)
            }
        },
        Specimen(family: NMSparse.self) { shape, precision, generator in
            try [(1, 4), (3, 4), (3, 8), (5, 16), (4, 8), (8, 16), (2, 4)].filter { shape.columns % $0.1 == 0 }.map {
                try nmSparse(shape, kept: $0.0, group: $0.1, precision, &generator)
            }
        },
        Specimen(family: CompressedSparseRows.self) { shape, precision, generator in
            let weight = Matrix.random(rows: shape.rows, columns: shape.columns, using: &generator)
            return [3, 7].map { share in
                // Row 1 stays empty, where there is one.
                CompressedSparseRows(weight, precision: precision) { row, column in
                    row != 1 && (7 * row + 5 * column) % 11 < share
                }
            }
        },
        Specimen(family: TritPlanes.self) { shape, precision, generator in
            // Precision is the family's own; spread planes and groups over the asked ones, the last in whole panels.
            let sizes = precision == .f32 ? [(4, 7), (2, 32)] : precision == .f16 ? [(1, 4)] : [(3, 128)]
            return try sizes.map { planes, groupSize in
                try TritPlanes(
                    trits: (0..<planes * shape.count).map { _ in Int8(Int.random(in: -1...1, using: &generator)) },
                    scales: (0..<planes * shape.rows * ((shape.columns + groupSize - 1) / groupSize)).map { _ in
                        Float(generator.nextUniform())
                    },
                    planes: planes, shape: shape, groupSize: groupSize)
            }
        },
        Specimen(family: KroneckerSum.self) { shape, precision, generator in
            commonDivisors(shape.rows, shape.rows).flatMap { rows in
                commonDivisors(shape.columns, shape.columns).suffix(2).map { columns in
                    KroneckerSum(
                        outer: .random([rows, columns, 3], precision, &generator),
                        inner: .random([3, shape.rows / rows, shape.columns / columns], precision, &generator))
                }
            }
        },
        Specimen(family: Tucker.self) { shape, precision, generator in
            // Height, width, ranks.
            [(1, 1, [2, 3, 1, 1]), (1, 3, [4, 2, 1, 2]), (2, 2, [3, 2, 2, 1]), (3, 3, [2, 5, 3, 2])]
                .filter { shape.columns % ($0.0 * $0.1) == 0 }
                .map { height, width, largest in
                    let ranks = [min(largest[0], shape.rows), min(largest[1], shape.columns)] + largest[2...]
                    return Tucker(
                        output: .random([shape.rows, ranks[0]], precision, &generator),
                        core: .random(ranks, precision, &generator),
                        input: .random([ranks[1], shape.columns / (height * width)], precision, &generator),
                        vertical: .random([ranks[2], height], precision, &generator),
                        horizontal: .random([ranks[3], width], precision, &generator))
                }
        },
        Specimen(family: HouseholderProduct.self) { shape, precision, generator in
            [(1, 2), (3, 1), (5, 4)].map { left, right in
                HouseholderProduct(
                    left: .random([min(left, shape.rows), shape.rows], precision, &generator),
                    diagonal: .random([min(shape.rows, shape.columns)], precision, &generator),
                    right: .random([min(right, shape.columns), shape.columns], precision, &generator))
            }
        },
        Specimen(family: PermutedBlockDiagonal.self) { shape, precision, generator in
            commonDivisors(shape.rows, shape.columns).map { blocks in
                PermutedBlockDiagonal(
                    blocks: .random(
                        [blocks, shape.rows / blocks, shape.columns / blocks], precision, &generator),
                    rowOrder: .random(shape.rows, using: &generator),
                    columnOrder: .random(shape.columns, using: &generator))
            }
        },
        Specimen(family: BlockCirculant.self) { shape, precision, generator in
            // Square ones in one block, odd and even.
            (commonDivisors(shape.rows, shape.columns) + (shape.rows == shape.columns ? [shape.rows] : [])).map {
                BlockCirculant(
                    cycles: .random([shape.rows / $0, shape.columns / $0, $0], precision, &generator))
            }
        },
        Specimen(family: Toeplitz.self) { shape, precision, generator in
            [Toeplitz(diagonals: .random([shape.rows + shape.columns - 1], precision, &generator), shape: shape)]
        },
        Specimen(family: LDU.self) { shape, precision, generator in
            let full = min(shape.rows, shape.columns)
            return Set([1, min(3, full), full]).sorted().map { rank in
                LDU(
                    lower: .random([LDU.entries(shape.rows, rank: rank)], precision, &generator),
                    diagonal: .random([rank], precision, &generator),
                    upper: .random([LDU.entries(shape.columns, rank: rank)], precision, &generator),
                    rowOrder: .random(shape.rows, using: &generator),
                    columnOrder: .random(shape.columns, using: &generator))
            }
        },
        Specimen(family: Interpolative.self) { shape, precision, generator in
            Set([1, min(5, shape.columns), shape.columns]).sorted().map { rank in
                Interpolative(
                    u: .random([shape.rows, rank], precision, &generator),
                    v: .random([rank, shape.columns - rank], precision, &generator),
                    columnOrder: .random(shape.columns, using: &generator))
            }
        },
        Specimen(family: IntervalPatches.self) { shape, precision, generator in
            // A patch of full length, one that wraps around both ends, one of a single row, one of nothing.
            func interval(_ size: Int, _ start: Int, _ count: Int) -> IntervalPatches.Interval {
                IntervalPatches.Interval(start: min(start, max(0, size - 1)), count: min(count, size))
            }
            let sizes = [(0, shape.rows, 0, shape.columns), (shape.rows - 2, 5, shape.columns - 1, 4), (1, 1, 2, 3), (0, 0, 0, 2)]
            let patches = sizes.map { rowStart, rows, columnStart, columns in
                IntervalPatches.Patch(
                    rows: interval(shape.rows, max(0, rowStart), rows),
                    columns: interval(shape.columns, max(0, columnStart), columns))
            }
            return [
                try IntervalPatches(
                    patches: patches,
                    left: .random([patches.reduce(0) { $0 + $1.rows.count }], precision, &generator),
                    right: .random([patches.reduce(0) { $0 + $1.columns.count }], precision, &generator), shape: shape)
            ]
        },
        Specimen(family: AsymmetricQuantized.self) { shape, precision, generator in
            // Precision is the family's own; spread bits and groups over the asked ones, the last in whole panels.
            let sizes = precision == .f32 ? [(2, 5), (8, 32)] : precision == .f16 ? [(3, 4), (6, 7)] : [(4, 64)]
            return try sizes.map { bits, groupSize in
                try asymmetric(shape, bits: bits, groupSize: groupSize, &generator)
            }
        },
        Specimen(family: NormalFloat.self) { shape, precision, generator in
            // As above; a group of 3 begins inside a byte.
            let groupSize = precision == .f32 ? 64 : precision == .f16 ? 3 : 32
            return [
                try NormalFloat(
                    codes: (0..<shape.count).map { _ in Int8(Int.random(in: -8...7, using: &generator)) },
                    scales: NormalFloat.QuantizedScales(
                        (0..<shape.rows * ((shape.columns + groupSize - 1) / groupSize)).map { _ in
                            Float(generator.nextUniform())
                        }),
                    shape: shape, groupSize: groupSize)
            ]
        },
        Specimen(family: GroupSparse.self) { shape, precision, generator in
            // Groups of one row, of a ragged number, of every number that a kernel knows, and of all rows.
            try [1, 3, 8, 16, shape.rows, 4].map { tile in
                let kept = (shape.columns * 2 + 2) / 3
                let columns = (0..<(shape.rows + tile - 1) / tile).flatMap { _ in
                    (0..<UInt32(shape.columns)).shuffled(using: &generator).prefix(kept).sorted()
                }
                return try GroupSparse(
                    values: (0..<shape.rows * kept).map { _ in Float(generator.nextNormal()) }, columns: columns,
                    shape: shape, kept: kept, tile: tile, precision: precision)
            }
        },
        Specimen(family: MatrixSum.self) { shape, precision, generator in
            let sparseLowRank = try MatrixSum([
                sparse(shape, precision, &generator), lowRank(shape, 3, precision, &generator),
            ])
            return [
                try MatrixSum([Dense(.random([shape.rows, shape.columns], precision, &generator))]),
                try MatrixSum([lowRank(shape, 2, precision, &generator), lowRank(shape, 1, .f16, &generator)]),
                try MatrixSum([codes(shape, &generator), sparseLowRank, lowRank(shape, 1, precision, &generator)]),
                sparseLowRank,
            ]
        },
        Specimen(family: MatrixProduct.self) { shape, precision, generator in
            let inner = max(4, shape.rows / 8)
            let dictionary = try MatrixProduct([
                sparse(MatrixShape(rows: shape.rows, columns: inner), precision, &generator),
                Dense(.random([inner, shape.columns], precision, &generator)),
            ])
            let chain = try MatrixProduct([
                Dense(.random([shape.rows, 3], precision, &generator)), Dense(.random([3, 2], precision, &generator)),
                Dense(.random([2, shape.columns], precision, &generator)),
            ])
            let wrapped = try MatrixProduct([
                blocks(shape.rows, precision, &generator), sparse(shape, precision, &generator),
                blocks(shape.columns, precision, &generator),
            ])
            return [chain, try MatrixProduct([lowRank(shape, 2, precision, &generator)]), wrapped, dictionary]
        },
        Specimen(family: PermutedMatrix.self) { shape, precision, generator in
            let (rows, columns) = (
                Array(0..<shape.rows).shuffled(using: &generator), Array(0..<shape.columns).shuffled(using: &generator)
            )
            let inner = sparse(shape, precision, &generator)
            return [
                try PermutedMatrix(inner, rowOrder: rows),
                try PermutedMatrix(lowRank(shape, 2, precision, &generator), columnOrder: columns),
                try PermutedMatrix(inner, rowOrder: rows, columnOrder: columns),
            ]
        },
        Specimen(family: ScaledMatrix.self) { shape, precision, generator in
            let (rows, columns) = (
                Factor.random([shape.rows], precision, &generator), Factor.random([shape.columns], precision, &generator)
            )
            let order = Array(0..<shape.columns).shuffled(using: &generator)
            let inner = try PermutedMatrix(codes(shape, &generator), columnOrder: order)
            return [
                try ScaledMatrix(lowRank(shape, 2, precision, &generator), rowScales: rows),
                try ScaledMatrix(sparse(shape, precision, &generator), columnScales: columns),
                try ScaledMatrix(inner, rowScales: rows, columnScales: columns),
            ]
        },
        Specimen(family: ProductQuantized.self) { shape, precision, generator in
            // Codes of 1, 3, 8 and 12 bits; sub-spaces of one width, of several, and of all columns.
            let cuts = [[0], Array(stride(from: 0, to: shape.columns, by: 4)), [0, 1, 3].filter { $0 < shape.columns }]
            let counts = precision == .f32 ? [2, 256] : precision == .f16 ? [5, 7] : [3000]
            return try counts.flatMap { count in
                try cuts.map { starts in
                    try ProductQuantized(
                        codes: (0..<shape.rows * starts.count).map { _ in
                            UInt16(Int.random(in: 0..<count, using: &generator))
                        },
                        starts: starts, centroids: .random([count, shape.columns], precision, &generator),
                        rows: shape.rows)
                }
            }
        },
        Specimen(family: RowBlocks.self) { shape, precision, generator in
            let top = shape.rows / 3
            let (upper, lower) = (
                MatrixShape(rows: top, columns: shape.columns),
                MatrixShape(rows: shape.rows - top, columns: shape.columns)
            )
            let whole = try RowBlocks([lowRank(shape, 2, precision, &generator)])
            guard top > 0 else { return [whole] }
            return [
                whole,
                try RowBlocks([
                    Dense(.random([top, shape.columns], precision, &generator)), codes(lower, &generator),
                ]),
                try RowBlocks([codes(upper, &generator), lowRank(lower, 2, precision, &generator)]),
            ]
        },
        Specimen(family: SharedRows.self) { shape, precision, generator in
            let tables: [any StructuredMatrix] = [
                Dense(.random([3, shape.columns], precision, &generator)),
                try codes(MatrixShape(rows: 7, columns: shape.columns), &generator),
            ]
            return try tables.map { table in
                let rows = (0..<shape.rows).map { _ in Int.random(in: 0..<table.shape.rows, using: &generator) }
                return try SharedRows(table, rows: rows)
            }
        },
    ]

    /// Random codes, scales and zero points.
    static func asymmetric(
        _ shape: MatrixShape, bits: Int, groupSize: Int, _ generator: inout SeededGenerator
    ) throws -> AsymmetricQuantized {
        let range = Quantized.range(bits: bits)
        let groups = shape.rows * ((shape.columns + groupSize - 1) / groupSize)
        return try AsymmetricQuantized(
            codes: (0..<shape.count).map { _ in Int8(Int.random(in: range, using: &generator)) },
            scales: (0..<groups).map { _ in Float(generator.nextUniform() + 0.1) },
            zeros: (0..<groups).map { _ in Int8(Int.random(in: -128...127, using: &generator)) }, shape: shape, bits: bits,
            groupSize: groupSize)
    }

    private static func lowRank(
        _ shape: MatrixShape, _ rank: Int, _ precision: Precision, _ generator: inout SeededGenerator
    ) -> LowRank {
        LowRank(
            u: .random([shape.rows, rank], precision, &generator), v: .random([rank, shape.columns], precision, &generator))
    }

    private static func sparse(
        _ shape: MatrixShape, _ precision: Precision, _ generator: inout SeededGenerator
    ) -> CompressedSparseRows {
        let weight = Matrix.random(rows: shape.rows, columns: shape.columns, using: &generator)
        return CompressedSparseRows(weight, precision: precision) { (7 * $0 + 5 * $1) % 11 < 4 }
    }

    private static func codes(_ shape: MatrixShape, _ generator: inout SeededGenerator) throws -> Quantized {
        try Quantized(
            codes: (0..<shape.count).map { _ in Int8(Int.random(in: -8...7, using: &generator)) },
            scales: (0..<shape.rows * ((shape.columns + 3) / 4)).map { _ in Float(generator.nextUniform()) }, shape: shape,
            bits: 4, groupSize: 4)
    }

    /// Square, with as many blocks as a small divisor allows.
    private static func blocks(
        _ size: Int, _ precision: Precision, _ generator: inout SeededGenerator
    ) -> BlockDiagonal {
        let count = commonDivisors(size, size).last ?? 1
        return BlockDiagonal(blocks: .random([count, size / count, size / count], precision, &generator))
    }

    /// Random values at random places.
    static func nmSparse(
        _ shape: MatrixShape, kept: Int, group: Int, _ precision: Precision, _ generator: inout SeededGenerator
    ) throws -> NMSparse {
        let groups = shape.rows * (shape.columns / group)
        let places = (0..<groups).flatMap { _ in
            (0..<UInt8(group)).shuffled(using: &generator).prefix(kept).sorted()
        }
        return try NMSparse(
            values: places.map { _ in Float(generator.nextNormal()) }, places: places, shape: shape, kept: kept,
            group: group, precision: precision)
    }

    static let shapes = [(6, 10), (15, 9), (12, 12), (24, 8), (35, 21), (48, 80), (1, 7), (5, 1)]

    /// Every specimen over every shape and precision.
    static let instances: [Instance] = all.flatMap { specimen in
        shapes.flatMap { rows, columns in
            Precision.allCases.flatMap { precision in
                specimen.instances(MatrixShape(rows: rows, columns: columns), precision)
            }
        }
    }

    /// One instance of every family that is large enough for a product to be shared among threads.
    static let large: [Instance] = all.flatMap { specimen in
        specimen.instances(MatrixShape(rows: 480, columns: 720), .f32).suffix(1)
            + specimen.instances(MatrixShape(rows: 720, columns: 480), .f32).suffix(1)
    }

    func instances(_ shape: MatrixShape, _ precision: Precision) -> [Instance] {
        var generator = SeededGenerator(seed: 7, stream: "\(family.family.name) \(shape) \(precision)")
        // A specimen that cannot be made is found by `everyFamilyHasInstances`.
        let matrices = (try? make(shape, precision, &generator)) ?? []
        return matrices.enumerated().map { index, matrix in
            Instance(
                name: "\(family.family.name) \(shape) \(precision) #\(index)", precision: precision,
                matrix: matrix)
        }
    }

    private static func commonDivisors(_ first: Int, _ second: Int) -> [Int] {
        [1, 2, 3, 4, 5, 7, 8].filter { first % $0 == 0 && second % $0 == 0 }
    }
}

/// One matrix under test.
struct Instance: Sendable, CustomTestStringConvertible {
    let name: String
    let precision: Precision
    let matrix: any StructuredMatrix
    var testDescription: String { name }

    func random(rows: Int, columns: Int, seed: UInt64 = 1) -> Matrix {
        var generator = SeededGenerator(seed: seed, stream: name)
        return .random(rows: rows, columns: columns, using: &generator)
    }
}

extension Factor {
    static func random(_ shape: [Int], _ precision: Precision, _ generator: inout SeededGenerator) -> Factor {
        Factor(
            (0..<shape.reduce(1, *)).map { _ in Float(generator.nextNormal()) }, shape: shape,
            precision: precision)
    }
}

extension DenseMatrix<Float> {
    /// X self^T in double precision by the definition, and the same with absolute values: what rounding scales with.
    func reference(_ x: Matrix) -> (product: DoubleMatrix, magnitude: DoubleMatrix) {
        var product = DoubleMatrix(rows: x.rows, columns: rows)
        var magnitude = product
        for row in 0..<x.rows {
            for output in 0..<rows {
                for input in 0..<columns {
                    let term = Double(x[row, input]) * Double(self[output, input])
                    product[row, output] += term
                    magnitude[row, output] += abs(term)
                }
            }
        }
        return (product, magnitude)
    }

    /// Largest difference to a reference, relative to the size of what was summed.
    func largestError(_ reference: (product: DoubleMatrix, magnitude: DoubleMatrix)) -> Double {
        var worst = 0.0
        let floor = (reference.magnitude.squaredNorm / Double(Swift.max(1, reference.magnitude.count)))
            .squareRoot()
        for index in elements.indices {
            let difference = abs(Double(elements[index]) - reference.product.elements[index])
            // Not max(): a NaN has to show.
            let error = difference / (reference.magnitude.elements[index] + floor + 1e-30)
            if !(error <= worst) { worst = error }
        }
        return worst
    }

    var bits: [UInt32] { elements.map(\.bitPattern) }
}
