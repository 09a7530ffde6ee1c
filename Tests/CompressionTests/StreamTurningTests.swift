import Compression
import LinearAlgebra
import Rewriting
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// What leaves a network's outputs as they are: norms fused into their readers, the stream turned, cut where nothing is.
@Suite struct StreamTurningTests {
    private static let names = SmallNetworks.causal + SmallNetworks.encoders

    private func orthogonal(_ size: Int, seed: UInt64 = 1) throws -> DoubleMatrix {
        var generator = SeededGenerator(seed: seed)
        return try QR(DoubleMatrix.random(rows: size, columns: size, using: &generator)).q
    }

    private func fused(_ name: String, tied: StreamSlicing.Tied = .copied) throws -> (any NetworkModel, [[Int]]) {
        var (model, sequences) = try SmallNetworks.load(name)
        switch tied {
        case .copied: model.untieHead()
        case .kept: model.projectTiedEnds()
        }
        try model.fuseNorms()
        return (model, sequences)
    }

    @Test(arguments: names) func fusingNormsLeavesTheOutputs(name: String) throws {
        let (model, sequences) = try SmallNetworks.load(name)
        let (fused, _) = try fused(name)
        let (before, after) = (try SmallNetworks.outputs(model, sequences), try SmallNetworks.outputs(fused, sequences))
        #expect(SmallNetworks.relativeDifference(before, after) < 1e-4)
        for place in fused.coupling.places {
            guard let norm = place.norm else { continue }
            #expect(norm.kind == .rootMeanSquare && norm.bias == nil)
            #expect(fused[vector: norm.weight]?.allSatisfy { $0 == 1 } == true)
        }
        // Norms that stand last put their gains into skip matrices.
        #expect(fused.isStreamCut == !model.coupling.residual.normalizesFirst)
    }

    @Test(arguments: ["qwen2", "gpt2", "opt"]) func aTiedTableCanStayWhole(name: String) throws {
        var (model, sequences) = try SmallNetworks.load(name)
        let before = try SmallNetworks.outputs(model, sequences)
        let words = model.sites[0].name
        let table = model[site: words].dense()
        model.projectTiedEnds()
        try model.fuseNorms()
        model.rotateStream(by: try orthogonal(model.streamFeatures))
        #expect(SmallNetworks.relativeDifference(before, try SmallNetworks.outputs(model, sequences)) < 1e-4)
        #expect(model[site: words].dense() == table)
    }

    @Test(arguments: names) func turningTheStreamLeavesTheOutputs(name: String) throws {
        let (model, sequences) = try SmallNetworks.load(name)
        var (turned, _) = try fused(name)
        turned.rotateStream(by: try orthogonal(model.streamFeatures))
        let before = try SmallNetworks.outputs(model, sequences)
        #expect(SmallNetworks.relativeDifference(before, try SmallNetworks.outputs(turned, sequences)) < 1e-4)
        // And every place by a matrix of its own, with skip matrices between them.
        turned.addSkips()
        for place in turned.coupling.places.indices {
            turned.turnStream(place, by: try orthogonal(model.streamFeatures, seed: UInt64(place) + 2))
        }
        #expect(SmallNetworks.relativeDifference(before, try SmallNetworks.outputs(turned, sequences)) < 1e-4)
        turned.prepare(PreparationOptions(activations: .none), context: .serial)
        for threads in [1, 3] {
            let context = ExecutionContext(threads: threads)
            let after = try SmallNetworks.outputs(turned, sequences, context: context)
            #expect(SmallNetworks.relativeDifference(before, after) < 1e-4)
        }
    }

    /// Tokens one at a time against all at once, several sequences against one, any team: of a stream with other widths at
    /// every place.
    @Test func aCutStreamRunsTokenByToken() throws {
        let (model, sequences) = try fused("llama")
        let features = model.streamFeatures
        let widths = model.coupling.places.indices.map { features - 3 - 2 * ($0 % 3) }
        var sliced = try StreamSlicer(sequences: sequences, context: .serial).slice(model, to: widths)
        #expect(sliced.streamWidths == widths)
        let tokens = sequences[10]
        for isPrepared in [false, true] {
            if isPrepared { sliced.prepare(PreparationOptions(activations: .none), context: .serial) }
            let causal = try #require(sliced as? any CausalModel)
            let whole = try causal.logits(tokens, context: .serial)
            for threads in [1, 2, 4] {
                let context = ExecutionContext(threads: threads)
                var (last, cache) = try causal.prefill(Array(tokens[..<2]), context: context)
                for token in tokens[2...] { last = try causal.decode(token, cache: &cache, context: context) }
                #expect(SmallNetworks.relativeDifference(Array(whole.row(tokens.count - 1)), last) < 1e-4)
                var caches = (0..<3).map { _ in causal.makeCache() }
                let scores = try causal.advance([tokens, sequences[3], tokens], caches: &caches, context: context)
                #expect(SmallNetworks.relativeDifference(Array(whole.row(tokens.count - 1)), Array(scores.row(2))) < 1e-4)
            }
        }
    }

    /// All that is written to the stream lies in a space of fewer directions: cutting to their number loses nothing.
    @Test(arguments: ["llama", "qwen2"]) func whatLiesInFewerDirectionsIsCutExactly(name: String) throws {
        var (model, sequences) = try fused(name)
        let (features, kept) = (model.streamFeatures, model.streamFeatures / 2)
        let span = try orthogonal(features).block(rows: 0..<features, columns: 0..<kept)
        let projection = span.multiplied(by: span, transposeOther: true)
        for place in model.coupling.places {
            for table in place.tables {
                let rows: DoubleMatrix = model[site: table].dense().converted()
                model[site: table] = Dense(rows.multiplied(by: projection).converted(to: Float.self))
            }
            for writer in place.writers {
                let weight: DoubleMatrix = model[site: writer.site].dense().converted()
                model[site: writer.site] = Dense(projection.multiplied(by: weight).converted(to: Float.self))
                guard let name = writer.bias, let bias = model[vector: name] else { continue }
                let column = DoubleMatrix(rows: features, columns: 1, elements: bias.map(Double.init))
                model[vector: name] = projection.multiplied(by: column).elements.map(Float.init)
            }
        }
        let before = try SmallNetworks.outputs(model, sequences)
        let slicer = StreamSlicer(sequences: sequences, context: .serial)
        let places = model.coupling.places.count
        let exact = try slicer.slice(model, to: Array(repeating: kept, count: places))
        #expect(SmallNetworks.relativeDifference(before, try SmallNetworks.outputs(exact, sequences)) < 1e-4)
        let less = try slicer.slice(model, to: Array(repeating: kept - 2, count: places))
        #expect(SmallNetworks.relativeDifference(before, try SmallNetworks.outputs(less, sequences)) > 1e-3)
        let unturned = try StreamSlicer(sequences: sequences, basis: .coordinates, context: .serial)
            .slice(model, to: Array(repeating: kept, count: places))
        #expect(SmallNetworks.relativeDifference(before, try SmallNetworks.outputs(unturned, sequences)) > 1e-2)
    }

    @Test func whatCannotBeFusedIsRefused() throws {
        var (tied, _) = try SmallNetworks.load("gpt2")
        #expect(
            throws: RewritingError.notSliceable(
                part: "transformer.wte",
                reason: "the table of words is the output head too, and only one of the two has the norm's gain")
        ) { try tied.fuseNorms() }
        var (cut, _) = try fused("llama")
        cut.addSkips()
        #expect(throws: RewritingError.notSliceable(part: "model.layers.0", reason: "it is cut already")) {
            try cut.fuseNorms()
        }
    }

    @Test func basesOfMoments() throws {
        var generator = SeededGenerator(seed: 4)
        let spread = DoubleMatrix(rows: 6, columns: 6) { $0 == $1 ? Double(6 - $0) : 0 }
        let turn = try orthogonal(6, seed: 9)
        let samples = DoubleMatrix.random(rows: 400, columns: 6, using: &generator).multiplied(by: spread)
            .multiplied(by: turn, transposeOther: true)
        let second = samples.gramian()
        let basis = try StreamBasis(.principal, second: second)
        let energies = basis.energies
        #expect(energies == energies.sorted(by: >))
        #expect(basis.directions.gramian().elements.enumerated().allSatisfy { abs($1 - ($0 % 7 == 0 ? 1 : 0)) < 1e-12 })
        // What is lost is what the samples have outside of the kept directions.
        let kept = basis.leading(2)
        let left = samples - samples.multiplied(by: kept).multiplied(by: kept, transposeOther: true)
        #expect(abs(left.squaredNorm / samples.squaredNorm - basis.lost(keeping: 2)) < 1e-10)
        let plain = try StreamBasis(.coordinates, second: second)
        #expect(plain.lost(keeping: 2) > basis.lost(keeping: 2) && plain.lost(keeping: 6) == 0)
        #expect(throws: LinearAlgebraError.self) { try StreamBasis(.principal, second: DoubleMatrix(rows: 2, columns: 2, repeating: .nan)) }
    }
}
