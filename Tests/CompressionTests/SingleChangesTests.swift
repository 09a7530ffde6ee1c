import Compression
import Fitting
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Models that differ in one matrix, run from the block where they do.
@Suite struct SingleChangesTests {
    /// Every site's crude fit, by families whose products and look-ups go different ways.
    private static func crude(_ model: any NetworkModel) throws -> [(site: MatrixSite, matrix: any StructuredMatrix)] {
        let (coarse, thin) = (RoundToNearestFitter<Quantized>(bits: 3, groupSize: 32), TruncatedSVDFitter())
        return try model.sites.enumerated().map { index, site in
            let weight = model[site: site.name].dense()
            let context = FitContext(name: site.name)
            let fit =
                index % 3 == 0
                ? try thin.fitAny(weight, objective: .frobenius, size: .fraction(0.5), context: context)
                : try coarse.fitAny(weight, objective: .frobenius, size: .fraction(1), context: context)
            return (site, fit.matrix)
        }
    }

    /// The same distances as of whole runs, bit for bit, whatever the order; of a dense model, and of one that is compressed
    /// but for the matrix.
    @Test(arguments: ["bert", "llama", "gpt2", "vit"], [1, 3])
    func distancesAreThoseOfWholeRuns(name: String, threads: Int) throws {
        let (model, sequences) = try SmallNetworks.load(name)
        let context = ExecutionContext(threads: threads)
        let distance = try OutputDistance(original: model, sequences: sequences, context: .serial)
        let crude = try Self.crude(model)
        var compressed: any TransformerModel = model
        for (site, matrix) in crude { compressed[site: site.name] = matrix }
        var distinct: Set<Double> = []
        for (base, other) in [(model as any TransformerModel, crude), (compressed, model.sites.map { ($0, model[site: $0.name]) })] {
            for changes in [other, other.reversed()] {
                var single = SingleChanges(of: base, by: distance, context: context)
                for (site, matrix) in changes {
                    var changed = base
                    changed[site: site.name] = matrix
                    let whole = try distance(changed, context: .serial)
                    #expect(try single(site, matrix) == whole, "\(site.name)")
                    distinct.insert(whole)
                }
            }
        }
        #expect(distinct.count > model.sites.count)
    }
}
