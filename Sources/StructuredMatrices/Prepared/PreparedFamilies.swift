import Tensors

// How each family of f32, f16 and bf16 factors is laid out for products.

extension Dense {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedChain(PackedMatrix(weight), shape: shape)
    }
}

extension LowRank {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedChain(shape: shape, stages: [.product(PackedMatrix(v)), .product(PackedMatrix(u))])
    }
}

extension BlockDiagonal {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedChain(shape: shape, stages: [.blocks(PackedMatrix(blocks, count: blockCount))])
    }
}

extension BlockDense {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedChain(
            shape: shape, stages: [.blocks(PackedMatrix(first, count: blocks)), .product(PackedMatrix(second))])
    }
}

extension BlockShuffle {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedChain(
            shape: shape,
            stages: [
                .blocks(PackedMatrix(first, count: blocks)),
                .transposition(rows: first.shape[1], columns: blocks, cell: 1),
                .blocks(PackedMatrix(second, count: blocks)),
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
                    PackedMatrix(right, count: blocks * groups),
                    inputs: cells.map { block, _ in block * right.shape[2] },
                    outputs: cells.map { block, group in (group * blocks + block) * rank })
            ]
        } else {
            stages = [
                .blocks(PackedMatrix(right, count: blocks)),
                .transposition(rows: blocks, columns: groups, cell: rank),
            ]
        }
        stages.append(.blocks(PackedMatrix(left, count: groups)))
        if strided, groups > 1 { stages.append(.transposition(rows: groups, columns: left.shape[1], cell: 1)) }
        return PreparedChain(shape: shape, stages: stages)
    }
}

extension BLAST {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        let right = v.matrix
        let (blockColumns, rank) = (v.shape[1], rank)
        let transposed = PackedMatrix(count: blocks, rows: rank, columns: blockColumns, precision: v.precision) {
            block, body in
            Matrix(rows: rank, columns: blockColumns) { right[block * blockColumns + $1, $0] }.withView(body)
        }
        return PreparedChain(
            shape: shape,
            stages: [.blocks(transposed), .diagonals(s), .blocks(PackedMatrix(u, count: blocks))])
    }
}
