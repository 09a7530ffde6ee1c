import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

/// What descent keeps up to date by changes, against the same computed anew.
@Suite struct CoordinateDescentTests {
    /// A weight rounded to its own scales, where a descent begins.
    struct Instance {
        let rows = 24
        let columns = 150
        let groupSize = 16
        let weight: Matrix
        let gram: Gram
        let quantizer: GroupQuantizer
        let start: QuantizedRows

        init(seed: UInt64, bits: Int, hasZeroPoints: Bool) throws {
            weight = Instances.random(rows, columns, seed: seed)
            let gram = try Instances.correlatedGram(columns, seed: seed)
            let (quantizer, groupSize) = (GroupQuantizer(bits: bits, hasZeroPoints: hasZeroPoints, searching: true), groupSize)
            start = weight.withView {
                quantizer.round($0, groupSize: groupSize, importance: gram.diagonal.map { Float($0) })
            }
            (self.gram, self.quantizer) = (gram, quantizer)
        }

        func improved(_ rounded: QuantizedRows, rounds: Int) -> (rows: QuantizedRows, trace: [Double]) {
            weight.withView {
                CoordinateDescent(gram, groupSize: groupSize, quantizer: quantizer, rounds: rounds).improve($0, from: rounded)
            }
        }

        /// tr((W - V) G (W - V)^T) in double precision.
        func objective(_ rounded: QuantizedRows) -> Double {
            let groups = (columns + groupSize - 1) / groupSize
            let difference = DoubleMatrix(rows: rows, columns: columns) { row, column in
                let scale = rounded.scales[row * groups + column / groupSize]
                return Double(weight[row, column]) - Double(quantizer.value(Float(rounded.codes[row * columns + column]), scale))
            }
            return difference.multiplied(by: gram.matrix).innerProduct(difference)
        }
    }

    @Test(arguments: [2, 3, 4], [false, true])
    func objectivesAreThoseOfTheResult(bits: Int, hasZeroPoints: Bool) throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            let instance = try Instance(seed: seed, bits: bits, hasZeroPoints: hasZeroPoints)
            for rounds in [1, 2, 20] {
                let (result, trace) = instance.improved(instance.start, rounds: rounds)
                for (rounded, told) in [(instance.start, trace[0]), (result, trace[trace.count - 1])] {
                    let exact = instance.objective(rounded)
                    #expect(abs(told - exact) <= 1e-3 * exact, "\(told) told, \(exact) exact, \(rounds) rounds")
                }
                #expect(zip(trace, trace.dropFirst()).allSatisfy { $1 <= $0 * (1 + 1e-4) })
                #expect(rounds < 20 || trace.count > 3)
            }
        }
    }

    /// A descent that ended has nothing left to gain when residuals, products and systems are computed from its result.
    @Test(arguments: [2, 3, 4], [false, true])
    func whatEndedStaysWhereItIs(bits: Int, hasZeroPoints: Bool) throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            let instance = try Instance(seed: seed, bits: bits, hasZeroPoints: hasZeroPoints)
            let (result, trace) = instance.improved(instance.start, rounds: 100)
            let again = instance.improved(result, rounds: 1).trace
            #expect(again[1] >= (1 - 3e-3) * trace[trace.count - 1])
        }
    }
}
