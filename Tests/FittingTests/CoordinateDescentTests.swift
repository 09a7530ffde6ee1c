import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

/// What descent keeps up to date by changes, against the same computed anew.
@Suite struct CoordinateDescentTests {
    static let (rows, columns, groupSize) = (24, 150, 16)

    static func improved(
        _ weight: Matrix, _ gram: Gram, _ quantizer: GroupQuantizer, from start: QuantizedRows, rounds: Int
    ) -> (rows: QuantizedRows, trace: [Double]) {
        weight.withView {
            CoordinateDescent(gram, groupSize: groupSize, quantizer: quantizer, rounds: rounds).improve($0, from: start)
        }
    }

    /// tr((W - V) G (W - V)^T) in double precision.
    static func objective(_ weight: Matrix, _ gram: Gram, _ quantizer: GroupQuantizer, _ rounded: QuantizedRows) -> Double {
        let groups = (columns + groupSize - 1) / groupSize
        let difference = DoubleMatrix(rows: rows, columns: columns) { row, column in
            let scale = rounded.scales[row * groups + column / groupSize]
            return Double(weight[row, column]) - Double(quantizer.value(Float(rounded.codes[row * columns + column]), scale))
        }
        return difference.multiplied(by: gram.matrix).innerProduct(difference)
    }

    @Test(arguments: [2, 3, 4], [false, true])
    func objectivesAreThoseOfTheResult(bits: Int, hasZeroPoints: Bool) throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            let weight = Instances.random(Self.rows, Self.columns, seed: seed)
            let gram = try Instances.correlatedGram(Self.columns, seed: seed)
            let quantizer = GroupQuantizer(bits: bits, hasZeroPoints: hasZeroPoints, searching: true)
            let start = weight.withView {
                quantizer.round($0, groupSize: Self.groupSize, importance: gram.diagonal.map { Float($0) })
            }
            for rounds in [1, 2, 20] {
                let (result, trace) = Self.improved(weight, gram, quantizer, from: start, rounds: rounds)
                for (rounded, told) in [(start, trace[0]), (result, trace[trace.count - 1])] {
                    let exact = Self.objective(weight, gram, quantizer, rounded)
                    #expect(abs(told - exact) <= 1e-3 * exact, "\(told) told, \(exact) exact, \(rounds) rounds")
                }
                #expect(zip(trace, trace.dropFirst()).allSatisfy { $1 <= $0 * (1 + 1e-4) })
            }
            #expect(Self.improved(weight, gram, quantizer, from: start, rounds: 20).trace.count > 3)
        }
    }

    /// A descent that ended has nothing left to gain when residuals, products and systems are computed from its result.
    @Test(arguments: [2, 3, 4], [false, true])
    func whatEndedStaysWhereItIs(bits: Int, hasZeroPoints: Bool) throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            let weight = Instances.random(Self.rows, Self.columns, seed: seed)
            let gram = try Instances.correlatedGram(Self.columns, seed: seed)
            let quantizer = GroupQuantizer(bits: bits, hasZeroPoints: hasZeroPoints, searching: true)
            let start = weight.withView {
                quantizer.round($0, groupSize: Self.groupSize, importance: gram.diagonal.map { Float($0) })
            }
            let (result, trace) = Self.improved(weight, gram, quantizer, from: start, rounds: 100)
            let again = Self.improved(weight, gram, quantizer, from: result, rounds: 1).trace
            #expect(again[1] >= (1 - 3e-3) * trace[trace.count - 1])
        }
    }
}
