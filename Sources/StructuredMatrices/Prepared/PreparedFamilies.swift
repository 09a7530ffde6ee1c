import Tensors

// How each family of f32, f16 and bf16 factors is laid out for products.

extension Dense {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedChain(PackedMatrix(weight, options), shape: shape)
    }
}

extension LowRank {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedChain(shape: shape, stages: [.product(PackedMatrix(v, options)), .product(PackedMatrix(u, options))])
    }
}

extension BlockDiagonal {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedChain(shape: shape, stages: [.blocks(PackedMatrix(blocks, count: blockCount, options))])
    }
}

extension BlockDense {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedChain(
            shape: shape,
            stages: [.blocks(PackedMatrix(first, count: blocks, options)), .product(PackedMatrix(second, options))])
    }
}

extension BlockShuffle {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedChain(
            shape: shape,
            stages: [
                .blocks(PackedMatrix(first, count: blocks, options)),
                .transposition(rows: first.shape[1], columns: blocks, cell: 1),
                .blocks(PackedMatrix(second, count: blocks, options)),
                .transposition(rows: blocks, columns: second.shape[1], cell: 1),
            ])
    }
}

extension Monarch {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        let (blocks, groups, rank) = (inputBlocks, outputGroups, rank)
        var stages: [PreparedStage]
        if rank % 16 == 0 {
            // Each cell of the middle permutation is a matrix of its own that writes where the second step reads.
            let cells = (0..<blocks).flatMap { block in (0..<groups).map { (block, $0) } }
            stages = [
                .products(
                    PackedMatrix(right, count: blocks * groups, options),
                    inputs: cells.map { block, _ in block * right.shape[2] },
                    outputs: cells.map { block, group in (group * blocks + block) * rank })
            ]
        } else {
            stages = [
                .blocks(PackedMatrix(right, count: blocks, options)),
                .transposition(rows: blocks, columns: groups, cell: rank),
            ]
        }
        stages.append(.blocks(PackedMatrix(left, count: groups, options)))
        if strided, groups > 1 { stages.append(.transposition(rows: groups, columns: left.shape[1], cell: 1)) }
        return PreparedChain(shape: shape, stages: stages)
    }
}

extension BLAST {
    /// Components that are multiplied together where there are more than `unsliced`: the middle results of a slice stay in
    /// cache, those of all would not.
    private static let slice = 64
    /// So few components that their middle results are small, and the products of slices would be too small to be fast.
    private static let unsliced = 256

    /// A sum over slices of components, each a BLAST matrix of its own.
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        let (left, right, middle) = (u.matrix, v.matrix, s.matrix)
        let (blocks, blockRows, blockColumns) = (blocks, u.shape[1], v.shape[1])
        let slice = rank <= Self.unsliced ? rank : Self.slice
        let terms = stride(from: 0, to: rank, by: slice).map { first -> [PreparedStage] in
            let width = min(slice, rank - first)
            // Filled up with zeros to whole vectors, which a packed matrix multiplies in any case, so that the middle step
            // meets no parts of them.
            let laidOut = (width + 15) / 16 * 16
            let v = PackedMatrix(
                count: blocks, rows: laidOut, columns: blockColumns, precision: v.precision, options
            ) { block, body in
                Matrix(rows: laidOut, columns: blockColumns) { row, column in
                    row < width ? right[block * blockColumns + column, first + row] : 0
                }.withView(body)
            }
            let u = PackedMatrix(
                count: blocks, rows: blockRows, columns: width, precision: u.precision, options
            ) { block, body in
                Matrix(rows: blockRows, columns: width) { left[block * blockRows + $0, first + $1] }.withView(body)
            }
            let grid = Matrix(rows: blocks * blocks, columns: laidOut) { $1 < width ? middle[$0, first + $1] : 0 }
            let diagonals = PackedDiagonals(
                grid.elements, outputs: blocks, inputs: blocks, width: laidOut, precision: s.precision)
            return [
                .blocks(v), .diagonals(diagonals),
                .products(
                    u, inputs: (0..<blocks).map { $0 * laidOut }, outputs: (0..<blocks).map { $0 * blockRows }),
            ]
        }
        return PreparedChain(shape: shape, terms: terms)
    }
}
