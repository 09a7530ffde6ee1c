import Compression
import Fitting
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Fits that were made to be assessed, and which of them are kept.
@Suite struct KeptFitsTests {
    private static let site = MatrixSite(
        name: "w", shape: MatrixShape(rows: 16, columns: 32), role: .linear, input: "x")

    /// Of more bytes the more bits it has.
    private static func fit(bits: Int, error: Double) throws -> AnyFit {
        var generator = SeededGenerator(seed: 1, stream: "kept fits")
        let weight = Matrix.random(rows: 16, columns: 32, using: &generator)
        let fit = try RoundToNearestFitter<Quantized>(bits: bits, groupSize: 32).fitAny(
            weight, objective: .frobenius, size: .fraction(1), context: FitContext(name: "w"))
        return AnyFit(matrix: fit.matrix, relativeError: error, trace: [])
    }

    @Test func fitsThatAreBeatenAreForgotten() throws {
        let kept = KeptFits()
        kept.keep(assessed: try Self.fit(bits: 4, error: 0.1), "four", of: Self.site)
        kept.keep(assessed: try Self.fit(bits: 6, error: 0.2), "six", of: Self.site)
        #expect(kept.fit("six", of: Self.site) == nil, "costs more and is no closer")
        kept.keep(assessed: try Self.fit(bits: 3, error: 0.3), "three", of: Self.site)
        #expect(kept.assessedCount == 2)
        kept.keep(assessed: try Self.fit(bits: 3, error: 0.05), "better", of: Self.site)
        #expect(kept.assessedCount == 1)
        #expect(kept.fit("better", of: Self.site)?.relativeError == 0.05)
        #expect(kept.fit("four", of: Self.site) == nil)
    }

    @Test func noMoreIsKeptThanTheLimit() throws {
        let fit = try Self.fit(bits: 4, error: 0.1)
        let bytes = 2 * fit.matrix.cost.storedBytes
        let (none, one) = (KeptFits(limit: 0), KeptFits(limit: bytes))
        for kept in [none, one] {
            kept.keep(assessed: fit, "first", of: Self.site)
            kept.keep(assessed: try Self.fit(bits: 2, error: 0.5), "second", of: Self.site)
            // Choices are kept all the same.
            kept.keep(fit, "chosen")
            #expect(kept.fit("chosen", of: Self.site)?.relativeError == 0.1)
        }
        #expect(none.assessedCount == 0)
        #expect(one.fit("first", of: Self.site) != nil && one.assessedCount == 1)
    }
}
