import Compression
import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Fits of what was chosen against the fits that choices are compared by.
@Suite struct PolishedFitTests {
    private static let sources = CandidateSources.all.filter(\.polishes)

    private static func context(columns: Int) throws -> CandidateContext {
        var generator = SeededGenerator(seed: 5, stream: "polished")
        let mixing = DoubleMatrix.random(rows: columns, columns: columns, using: &generator)
        let inputs = DoubleMatrix.random(rows: 3 * columns, columns: columns, using: &generator).multiplied(by: mixing)
        return CandidateContext(
            site: MatrixSite(name: "w", shape: MatrixShape(rows: 24, columns: columns), role: .linear, input: "x"),
            weight: .random(rows: 24, columns: columns, using: &generator),
            objective: .activations(try Gram(inputs: inputs)), fit: FitContext(name: "w", precision: .f16))
    }

    @Test func thereAreSome() { #expect(Self.sources.map(\.name) == ["nm-sparse", "sparse-low-rank"]) }

    /// Closer under the objective, at the same cost.
    @Test(arguments: [32, 48, 36]) func polishedFitsAreCloser(columns: Int) throws {
        let context = try Self.context(columns: columns)
        for source in Self.sources {
            for candidate in source.candidates(for: context.site, quantity: .multiplyAdds, precision: .f16) {
                let quick = try source.fit(candidate, context)
                let polished = try source.polished(candidate, from: { quick }, context)
                #expect(polished.matrix.cost == quick.matrix.cost)
                #expect(polished.relativeError < quick.relativeError, "\(candidate.label)")
            }
        }
    }

    /// Elsewhere there is nothing better than the fit.
    @Test func otherSourcesKeepTheirFit() throws {
        let context = try Self.context(columns: 16)
        for source in CandidateSources.all where !source.polishes && !source.isSlow {
            guard let candidate = source.candidates(for: context.site, quantity: .bytes, precision: .f16).first else { continue }
            let fit = try source.fit(candidate, context)
            #expect(try source.polished(candidate, from: { fit }, context).matrix.dense() == fit.matrix.dense())
        }
    }
}
