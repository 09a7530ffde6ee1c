import Tensors

/// A family that is closed under scaling of rows: diag(s) W is one of its members when W is.
public protocol RowScalable: StructuredMatrix {
    /// diag(factors) W with all its factors stored in `precision`.
    func scalingRows(by factors: [Float], precision: Precision) -> Self
}

extension Factor {
    /// Stored in another precision.
    func stored(in precision: Precision) -> Factor { Factor(values, shape: shape, precision: precision) }

    /// Seen as rows of the last dimension, row i times `factor(i)`.
    func scalingRows(precision: Precision, by factor: (Int) -> Float) -> Factor {
        var matrix = matrix
        matrix.withMutableView { view in
            for row in 0..<view.rows {
                let scale = factor(row)
                for column in 0..<view.columns { view.row(row)[column] *= scale }
            }
        }
        return Factor(matrix.elements, shape: shape, precision: precision)
    }
}

extension LowRank: RowScalable {
    public func scalingRows(by factors: [Float], precision: Precision) -> LowRank {
        LowRank(u: u.scalingRows(precision: precision) { factors[$0] }, v: v.stored(in: precision))
    }
}

extension BlockDiagonal: RowScalable {
    public func scalingRows(by factors: [Float], precision: Precision) -> BlockDiagonal {
        BlockDiagonal(blocks: blocks.scalingRows(precision: precision) { factors[$0] })
    }
}

extension BlockDense: RowScalable {
    public func scalingRows(by factors: [Float], precision: Precision) -> BlockDense {
        BlockDense(
            first: first.stored(in: precision), second: second.scalingRows(precision: precision) { factors[$0] })
    }
}

extension BlockShuffle: RowScalable {
    /// Row p of block g is row p B + g of W.
    public func scalingRows(by factors: [Float], precision: Precision) -> BlockShuffle {
        let (blocks, height) = (second.shape[0], second.shape[1])
        return BlockShuffle(
            first: first.stored(in: precision),
            second: second.scalingRows(precision: precision) { factors[$0 % height * blocks + $0 / height] })
    }
}

extension Monarch: RowScalable {
    public func scalingRows(by factors: [Float], precision: Precision) -> Monarch {
        let (groups, height) = (outputGroups, left.shape[1])
        return Monarch(
            right: right.stored(in: precision),
            left: left.scalingRows(precision: precision) {
                factors[strided ? $0 % height * groups + $0 / height : $0]
            }, strided: strided)
    }
}

extension BLAST: RowScalable {
    public func scalingRows(by factors: [Float], precision: Precision) -> BLAST {
        BLAST(
            u: u.scalingRows(precision: precision) { factors[$0] }, s: s.stored(in: precision),
            v: v.stored(in: precision))
    }
}
