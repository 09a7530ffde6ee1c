import Analysis
import Tensors
import Testing

@Suite struct EncoderFidelityTests {
    private let context = ExecutionContext(threads: 2)

    @Test func aModelAgreesWithItself() throws {
        var generator = SeededGenerator(seed: 1)
        let embeddings = Matrix.random(rows: 150, columns: 8, using: &generator)
        let result = try EncoderFidelity.measure(embeddings, reference: embeddings, context: context)
        #expect(result.overlap == 1)
        #expect(abs(result.meanCosine - 1) < 1e-6)
        #expect(result.overlapStandardError == 0)
        #expect(result.neighbours == 10)
        #expect(result.sentences == 150)
    }

    @Test func neighboursByHand() throws {
        // On a circle, in degrees: 0, 10, 30, 90. Nearest: 1, 0, 1, 2.
        let reference = Matrix(rows: 4, columns: 2, elements: [1, 0, 0.9848, 0.1736, 0.8660, 0.5, 0, 1])
        // The third moved to 80 degrees. Nearest: 1, 0, 3, 2.
        let moved = Matrix(rows: 4, columns: 2, elements: [1, 0, 0.9848, 0.1736, 0.1736, 0.9848, 0, 1])
        let result = try EncoderFidelity.measure(moved, reference: reference, neighbours: 1, context: context)
        #expect(result.overlap == 0.75)
        // Three cosines of 1, one of cos 50 degrees.
        #expect(abs(result.meanCosine - (3 + 0.642788) / 4) < 1e-3)
        // Standard deviation 0.5 of (1, 1, 0, 1), over sqrt 4.
        #expect(abs(result.overlapStandardError - 0.25) < 1e-12)
    }

    @Test func lengthsDoNotMatter() throws {
        var generator = SeededGenerator(seed: 2)
        let reference = Matrix.random(rows: 30, columns: 6, using: &generator)
        var scaled = reference
        for row in 0..<30 {
            for column in 0..<6 { scaled[row, column] *= Float(row + 1) }
        }
        let result = try EncoderFidelity.measure(scaled, reference: reference, context: context)
        #expect(result.overlap > 0.99)
        #expect(abs(result.meanCosine - 1) < 1e-6)
    }

    @Test func refusals() throws {
        let one = Matrix(rows: 1, columns: 2, repeating: 1)
        #expect(throws: AnalysisError.tooFew(what: "sentences", needed: 2, got: 1)) {
            try EncoderFidelity.measure(one, reference: one, context: context)
        }
        #expect(
            throws: AnalysisError.shapeMismatch(what: "embeddings", expected: "2 numbers", got: "3 numbers")
        ) {
            try EncoderFidelity.measure(
                Matrix(rows: 4, columns: 3), reference: Matrix(rows: 4, columns: 2), context: context)
        }
    }
}
