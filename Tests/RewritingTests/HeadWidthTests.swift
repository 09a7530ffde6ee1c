import LinearAlgebra
import Rewriting
import Tensors
import Testing

@Suite struct HeadWidthTests {
    /// A key-value head of 6 channels that two query heads read, over 10 features.
    private struct Planted {
        let head: AttentionHead
        let inputs: DoubleMatrix
        var moments: InputMoments { InputMoments(inputs: inputs) }

        init(seed: UInt64, valueRank: Int = 6, keyRank: Int = 6) {
            var generator = SeededGenerator(seed: seed, stream: "head")
            func matrix(_ rows: Int, _ columns: Int) -> DoubleMatrix { .random(rows: rows, columns: columns, using: &generator) }
            func ranked(_ rank: Int) -> DoubleMatrix { matrix(6, rank).multiplied(by: matrix(rank, 10)) }
            head = AttentionHead(
                queries: [matrix(6, 10), matrix(6, 10)], queryBiases: [matrix(1, 6).elements, matrix(1, 6).elements],
                key: ranked(keyRank), keyBias: matrix(1, 6).elements, value: ranked(valueRank),
                valueBias: matrix(1, 6).elements, outputs: [matrix(8, 6), matrix(8, 6)])
            inputs = PlantedPart(tokens: 300, inputs: 10, outputs: 1, seed: seed).inputs
        }
    }

    /// W_o (W_v x + b_v) of all query heads, summed, tokens x outputs.
    private func output(_ head: AttentionHead, _ inputs: DoubleMatrix, _ offset: [Double]?) -> DoubleMatrix {
        var total = DoubleMatrix(rows: inputs.rows, columns: head.outputs[0].rows)
        for token in 0..<inputs.rows { for row in 0..<total.columns { total[token, row] = offset?[row] ?? 0 } }
        var values = inputs.multiplied(by: head.value, transposeOther: true)
        for token in 0..<values.rows { for column in 0..<values.columns { values[token, column] += head.valueBias[column] } }
        for output in head.outputs { total = total + values.multiplied(by: output, transposeOther: true) }
        return total
    }

    @Test(arguments: [true, false])
    func fullWidthIsExact(movesMean: Bool) throws {
        let planted = Planted(seed: 1)
        let (head, offset) = try ValueOutputReduction(planted.head, moments: planted.moments, movesMean: movesMean).reduced(to: 6)
        let difference = output(head, planted.inputs, offset) - output(planted.head, planted.inputs, nil)
        #expect(difference.squaredNorm < 1e-18 * output(planted.head, planted.inputs, nil).squaredNorm)
    }

    @Test func aPlantedRankIsFound() throws {
        let planted = Planted(seed: 2, valueRank: 3)
        let reduction = try ValueOutputReduction(planted.head, moments: planted.moments, movesMean: true)
        #expect(reduction.singularValues[3] < 1e-3 * reduction.singularValues[0])
        let (head, offset) = reduction.reduced(to: 3)
        #expect(head.value.rows == 3)
        let difference = output(head, planted.inputs, offset) - output(planted.head, planted.inputs, nil)
        #expect(difference.squaredNorm < 1e-6 * output(planted.head, planted.inputs, nil).squaredNorm)
    }

    /// The error at width k is the tail of the singular values: of one query head, where stacked and summed are the same.
    @Test func theErrorIsTheTail() throws {
        let planted = Planted(seed: 3)
        var head = planted.head
        head.queries.removeLast()
        head.queryBiases.removeLast()
        head.outputs.removeLast()
        let reduction = try ValueOutputReduction(head, moments: planted.moments, movesMean: true)
        for width in 1..<6 {
            let (cut, offset) = reduction.reduced(to: width)
            let difference = output(cut, planted.inputs, offset) - output(head, planted.inputs, nil)
            let tail = reduction.singularValues.dropFirst(width).reduce(0) { $0 + $1 * $1 }
            #expect(abs(difference.squaredNorm / Double(planted.inputs.rows) - tail) < 1e-7 * max(1, tail))
        }
    }

    /// Scores less their mean over keys, divided by the root of the width: what the softmax sees.
    private func scores(_ head: AttentionHead, _ inputs: DoubleMatrix) -> [DoubleMatrix] {
        func affine(_ matrix: DoubleMatrix, _ bias: [Double]) -> DoubleMatrix {
            var result = inputs.multiplied(by: matrix, transposeOther: true)
            for row in 0..<result.rows { for column in bias.indices { result[row, column] += bias[column] } }
            return result
        }
        let keys = affine(head.key, head.keyBias)
        return zip(head.queries, head.queryBiases).map { matrix, bias in
            var result = affine(matrix, bias).multiplied(by: keys, transposeOther: true)
            result.scale(by: 1 / Double(head.key.rows).squareRoot())
            for row in 0..<result.rows {
                let mean = result.row(row).reduce(0, +) / Double(result.columns)
                for column in 0..<result.columns { result[row, column] -= mean }
            }
            return result
        }
    }

    @Test(arguments: [6, 4])
    func scoresStayAtFullWidthAndAtAPlantedRank(rank: Int) throws {
        let planted = Planted(seed: 4, keyRank: rank)
        let head = try QueryKeyReduction(planted.head, moments: planted.moments).reduced(to: rank)
        #expect(head.key.rows == rank && head.queries.allSatisfy { $0.rows == rank })
        for (before, after) in zip(scores(planted.head, planted.inputs), scores(head, planted.inputs)) {
            #expect((before - after).squaredNorm < 1e-6 * before.squaredNorm)
        }
    }

    @Test func aPairWithoutEnergyScoresNothing() {
        var planted = Planted(seed: 5).head
        for channel in [1, 4] {
            for column in 0..<10 { planted.key[channel, column] = 0 }
            planted.keyBias[channel] = 0
        }
        let scores = RotaryPairs.scores(planted, moments: Planted(seed: 5).moments)
        #expect(scores.count == 3)
        #expect(scores[1] == 0 && scores[0] > 0 && scores[2] > 0)
    }
}
