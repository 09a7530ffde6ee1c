import LinearAlgebra
import Rewriting
import Tensors

/// Inputs with correlations and means, and a matrix that reads them.
struct PlantedPart {
    let inputs: DoubleMatrix
    let weight: DoubleMatrix

    init(tokens: Int, inputs count: Int, outputs: Int, seed: UInt64) {
        var generator = SeededGenerator(seed: seed, stream: "planted part")
        let sources = DoubleMatrix.random(rows: tokens, columns: count, using: &generator)
        let mixing = DoubleMatrix.random(rows: count, columns: count, using: &generator)
        let shift = DoubleMatrix.random(rows: 1, columns: count, using: &generator)
        let mixed = sources.multiplied(by: mixing)
        inputs = DoubleMatrix(rows: tokens, columns: count) { mixed[$0, $1] + 2 * shift[0, $1] }
        weight = DoubleMatrix.random(rows: outputs, columns: count, using: &generator)
    }

    /// With the input `column` replaced by `values` of the others, token by token.
    init(_ other: PlantedPart, setting column: Int, _ values: (_ row: ArraySlice<Double>) -> Double) {
        var inputs = other.inputs
        for row in 0..<inputs.rows { inputs[row, column] = values(other.inputs.row(row)) }
        self.inputs = inputs
        weight = other.weight
    }

    func part(unitSize: Int = 1) throws -> ReducedPart {
        try ReducedPart(name: "part", weight: weight, unitSize: unitSize, moments: InputMoments(inputs: inputs))
    }

    /// Mean over tokens of |W x - (W' x_kept + offset)|^2, token by token.
    func measuredError(_ result: Compensation.Result) -> Double {
        let before = inputs.multiplied(by: weight, transposeOther: true)
        var total = 0.0
        for token in 0..<inputs.rows {
            for row in 0..<weight.rows {
                var after = result.offset?[row] ?? 0
                for (position, input) in result.inputs.enumerated() {
                    after += result.weight[row, position] * inputs[token, input]
                }
                let difference = before[token, row] - after
                total += difference * difference
            }
        }
        return total / Double(inputs.rows)
    }
}
