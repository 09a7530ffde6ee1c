import Compression
import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Low-rank fits from a decomposition that was kept.
@Suite struct KeptFactorisationsTests {
    private static func context(_ kept: KeptFactorisations?) throws -> CandidateContext {
        var generator = SeededGenerator(seed: 3, stream: "kept factorisations")
        let inputs = DoubleMatrix.random(rows: 60, columns: 20, using: &generator)
        return CandidateContext(
            site: MatrixSite(name: "w", shape: MatrixShape(rows: 24, columns: 20), role: .linear, input: "x"),
            weight: .random(rows: 24, columns: 20, using: &generator),
            objective: .activations(try Gram(inputs: inputs)), fit: FitContext(name: "w", precision: .f16),
            factorisations: kept)
    }

    /// The same bits at every rank, from one decomposition, or from none that was kept for want of room.
    @Test(arguments: [KeptFactorisations.usualLimit, 0]) func fitsAreThoseOfTheirOwnDecomposition(limit: Int) throws {
        let source = LowRankCandidates()
        let kept = KeptFactorisations(limit: limit)
        let (alone, sharing) = (try Self.context(nil), try Self.context(kept))
        let candidates = source.candidates(for: alone.site, quantity: .bytes, precision: .f16)
        try #require(candidates.count > 2)
        #expect(try source.assess(candidates, sharing) { _, _ in } == source.assess(candidates, alone) { _, _ in })
        #expect(kept.count == (limit > 0 ? 1 : 0))
        for candidate in candidates {
            let (own, shared) = (try source.fit(candidate, alone), try source.fit(candidate, sharing))
            #expect(own.matrix.dense() == shared.matrix.dense(), "\(candidate.label)")
            #expect(own.relativeError == shared.relativeError)
        }
        #expect(kept.count == (limit > 0 ? 1 : 0))
    }
}
