import LinearAlgebra
import StructuredMatrices
import Tensors

/// Structured products against dense ones of the same shape, all in turns within one run.
package struct KernelBench: Sendable {
    package var shapes: [MatrixShape]
    package var batches: [Int]
    package var threads: [Int]
    /// Of dense weights and of factors. Forms with a precision of their own are measured beside the first.
    package var precisions: [Precision]
    package var families: [RandomFamily]
    /// Parameters of the structured matrices as a share of a dense one's.
    package var share: Double
    package var temperatures: [Temperature]
    /// Of dense weights and factors; integers have their own.
    package var activations = ActivationRounding.none
    package var seed: UInt64 = 0
    /// Seconds of one turn where one product takes less.
    package var turn = 0.002
    package var rounds = InterleavedTiming.Rounds(least: 7, most: 41, seconds: 0.06)
    /// Rounds where a turn takes longer than 50 ms.
    package var roundsOfLongTurns = 5
    /// Bytes that the copies of one contestant's weights may take.
    package var memoryLimit = 1 << 30

    package init(
        shapes: [MatrixShape], batches: [Int], threads: [Int], precisions: [Precision],
        families: [RandomFamily],
        share: Double, temperatures: [Temperature]
    ) {
        (self.shapes, self.batches, self.threads, self.precisions) = (shapes, batches, threads, precisions)
        (self.families, self.share, self.temperatures) = (families, share, temperatures)
    }

    /// Cases that `run` measures.
    package var caseCount: Int {
        shapes.count * precisions.count * temperatures.count * threads.count * batches.count
    }

    /// Measures every case: shapes outermost, then precisions, temperatures, threads, batches.
    /// - Parameter report: called with each case as it is done.
    /// - Throws: what making the instances throws.
    package func run(_ report: (KernelCase) throws -> Void) throws {
        let stream = StreamRead()
        for shape in shapes {
            for (index, precision) in precisions.enumerated() {
                let entrants = try entrants(shape, precision, withOwnPrecision: index == 0)
                for temperature in temperatures {
                    for threads in threads {
                        let context = ExecutionContext(threads: threads)
                        for batch in batches {
                            let contest = KernelContest(
                                entrants, batch: batch, temperature: temperature, context: context,
                                stream: stream,
                                settings: self)
                            try report(contest.measured(shape: shape, precision: precision))
                        }
                    }
                }
            }
        }
    }

    /// Dense first, then every family that the shape allows.
    private func entrants(_ shape: MatrixShape, _ precision: Precision, withOwnPrecision: Bool) throws
        -> [KernelEntrant]
    {
        var entrants: [KernelEntrant] = []
        func enter(
            _ name: String, _ form: String, _ matrix: any StructuredMatrix, _ options: PreparationOptions
        ) {
            entrants.append(
                KernelEntrant(
                    name: name, form: form, matrix: matrix, options: options, seed: seed,
                    cold: temperatures.contains(.cold), memoryLimit: memoryLimit))
        }
        var generator = SeededGenerator(seed: seed, stream: "dense \(shape)")
        let weight = generator.factor([shape.rows, shape.columns], inner: shape.columns, precision)
        enter("dense", "", Dense(weight), PreparationOptions(activations: activations))
        for family in families where family.hasPrecision || withOwnPrecision {
            var generator = SeededGenerator(seed: seed, stream: "\(family.name) \(shape)")
            guard let matrix = try family.make(shape, share, precision, &generator) else { continue }
            let activations = family.hasPrecision ? activations : family.activations
            enter(family.name, family.form, matrix, PreparationOptions(activations: activations))
        }
        return entrants
    }
}

/// A matrix in a contest: laid out once, or as often as it takes to exceed the cache.
final class KernelEntrant {
    let name: String
    let form: String
    let cost: Cost
    let rows: Int
    let copies: [any PreparedProduct]
    /// Rows of W that results are compared on, and what they are.
    let checkedRows: [Int]
    let checkedWeights: Matrix
    /// W itself as often, for the library, which has no layout of its own; for dense alone.
    let plain: [AlignedMemory<Float>]

    init(
        name: String, form: String, matrix: any StructuredMatrix, options: PreparationOptions, seed: UInt64,
        cold: Bool,
        memoryLimit: Int
    ) {
        (self.name, self.form, cost) = (name, form, matrix.cost)
        let first = matrix.prepared(options)
        let count = cold ? Temperature.cold.copies(of: first.byteCount, limit: memoryLimit) : 1
        copies = [first] + (1..<count).map { _ in matrix.prepared(options) }
        var generator = SeededGenerator(seed: seed, stream: "checked rows")
        let rows = matrix.shape.rows
        self.rows = rows
        checkedRows = Array(Set((0..<min(rows, 64)).map { _ in generator.nextInteger(below: rows) })).sorted()
        checkedWeights = matrix.gather(rows: checkedRows)
        plain =
            (matrix as? Dense).map { dense in
                let bytes = dense.shape.count * MemoryLayout<Float>.stride
                let count = cold ? Temperature.cold.copies(of: bytes, limit: memoryLimit) : 1
                let weight = dense.dense()
                return (0..<count).map { _ in AlignedMemory(weight) }
            } ?? []
    }

    /// Largest difference between results and inputs times W, on the rows of W that are checked and up to
    /// four inputs, relative to the root mean square of what they should be.
    func error(_ result: Matrix, input: Matrix) -> Double {
        var (largest, squares, count) = (0.0, 0.0, 0)
        for row in stride(from: 0, to: input.rows, by: max(1, (input.rows + 3) / 4)) {
            for (index, output) in checkedRows.enumerated() {
                var expected = 0.0
                for column in 0..<input.columns {
                    expected += Double(input[row, column]) * Double(checkedWeights[index, column])
                }
                largest = max(largest, abs(expected - Double(result[row, output])))
                squares += expected * expected
                count += 1
            }
        }
        return squares > 0 ? largest / (squares / Double(count)).squareRoot() : largest
    }
}
