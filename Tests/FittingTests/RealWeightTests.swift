import Fitting
import Foundation
import LinearAlgebra
import ModelFiles
import StructuredMatrices
import Tensors
import Testing

/// The fitters against their baselines on a trained matrix: the first query matrix of all-MiniLM-L6-v2 under
/// the inputs it really has, normalised embeddings of tokens (drawn at random, so without the correlations of
/// sentences).
@Suite(
    .enabled(
        if: RealWeight.folder != nil, "all-MiniLM-L6-v2 is not here: set TESSERA_MINILM or run make demo"))
struct RealWeightTests {
    static let half = SizeBudget.fraction(0.5)

    @Test func whiteningBeatsThePlainDecomposition() throws {
        let (weight, objective) = try RealWeight.load()
        let plain = try TruncatedSVDFitter().fit(weight, objective: objective, size: Self.half)
        let sketched = try RandomizedSVDFitter().fit(weight, objective: objective, size: Self.half)
        let whitened = try ActivationSVDFitter().fit(weight, objective: objective, size: Self.half)
        #expect(whitened.relativeError < 0.8 * plain.relativeError)
        #expect(sketched.relativeError < 1.1 * whitened.relativeError)
    }

    @Test func structuredSweepsBeatLowRankAtEqualCount() throws {
        let (weight, objective) = try RealWeight.load()
        let lowRank = try ActivationSVDFitter().fit(weight, objective: objective, size: Self.half)
        let blast = try BLASTFitter(blocks: 8, sweeps: 30).fit(weight, objective: objective, size: Self.half)
        let monarch = try MonarchFitter(sweeps: 10).fit(weight, objective: objective, size: Self.half)
        #expect(blast.relativeError < 0.75 * lowRank.relativeError)
        #expect(monarch.relativeError < lowRank.relativeError)
        #expect(blast.matrix.cost.parameters <= lowRank.matrix.cost.parameters)
        #expect(monarch.matrix.cost.parameters <= lowRank.matrix.cost.parameters)
    }

    /// One block is among the layouts, which the first sweep takes to the whitened decomposition; on the three matrices
    /// stacked, which are tall, hardly another layout pays.
    @Test(arguments: [["query"], ["query", "key", "value"]])
    func sweepsNeverEndAboveTheWhitenedDecomposition(names: [String]) throws {
        let (weight, objective) = try RealWeight.load(names)
        let lowRank = try ActivationSVDFitter().fit(weight, objective: objective, size: Self.half)
        for fitter in [MonarchFitter() as any Fitter, BTTFitter(), PermutedMonarchFitter()] {
            let fit = try fitter.fitAny(weight, objective: objective, size: Self.half, context: FitContext())
            #expect(fit.relativeError <= lowRank.relativeError * (1 + 1e-6), "\(fitter.method.name)")
            #expect(fit.matrix.cost.parameters <= lowRank.matrix.cost.parameters, "\(fitter.method.name)")
        }
    }

    @Test(arguments: [(2, 4), (4, 8)])
    func updatesBeatMasksAlone(kept: Int, group: Int) throws {
        let (weight, objective) = try RealWeight.load()
        func error<Method: PruningMethod>(_ method: Method) throws -> Double {
            try NMSparseFitter(kept: kept, group: group, pruning: method)
                .fit(weight, objective: objective, size: .fraction(1)).relativeError
        }
        let magnitude = try error(MagnitudePruning())
        let wanda = try error(WandaPruning())
        let swept = try error(SparseGPTPruning())
        let refitted = try error(RefittedPruning<SparseGPTPruning>())
        #expect(wanda < magnitude)
        #expect(swept < 0.8 * wanda)
        #expect(refitted < swept)
        #expect(try error(CombinatorialPruning()) <= refitted)
    }

    @Test func leastSquaresBeatDroppingBlocks() throws {
        let (weight, objective) = try RealWeight.load()
        let weighted = try BlockDiagonalFitter().fit(weight, objective: objective, size: Self.half)
        let dropped = try BlockDiagonalFitter().fit(weight, objective: .frobenius, size: Self.half).matrix
        #expect(weighted.relativeError < (try objective.error(of: dropped.dense(), for: weight)))
    }

    @Test(arguments: [2, 3, 4, 8])
    func searchAndCompensationBeatRoundToNearest(bits: Int) throws {
        let (weight, objective) = try RealWeight.load()
        func error(_ fitter: some Fitter) throws -> Double {
            try fitter.fit(weight, objective: objective, size: .fraction(2), context: FitContext()).relativeError
        }
        let nearest = try error(RoundToNearestFitter<Quantized>(bits: bits))
        let searched = try error(ScaleSearchFitter<Quantized>(bits: bits))
        let compensated = try error(GPTQFitter<Quantized>(bits: bits))
        let best = try error(QuantizedFitter(bits: bits))
        #expect(searched < nearest)
        #expect(compensated < searched)
        #expect(best < compensated)
        #expect(try error(AsymmetricQuantizedFitter(bits: bits)) < error(GPTQFitter<AsymmetricQuantized>(bits: bits)))
    }

    /// What makes plain GPTQ worse than rounding at 2 bits: scales that cover the largest weight leave most weights at the
    /// level 0, and what is lost there no column to come can take over.
    @Test func coveringScalesUndoCompensationAtTwoBits() throws {
        let (weight, objective) = try RealWeight.load()
        func error(_ fitter: some Fitter) throws -> Double {
            try fitter.fit(weight, objective: objective, size: .fraction(2), context: FitContext()).relativeError
        }
        let covering = try error(GPTQFitter<Quantized>(bits: 2, order: .stored, searchesScales: false))
        let searched = try error(ScaleSearchFitter<Quantized>(bits: 2))
        let both = try error(GPTQFitter<Quantized>(bits: 2, order: .stored))
        #expect(covering > searched)
        #expect(both < 0.9 * searched)
    }
}

enum RealWeight {
    static let folder: String? = [
        ProcessInfo.processInfo.environment["TESSERA_MINILM"],
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
            .appending(path: ".demo/minilm").path(),
    ].compactMap(\.self).first {
        FileManager.default.fileExists(atPath: $0 + "/" + Checkpoint.singleFileName)
    }

    /// - Parameter names: the projections of the first layer, stacked; all of them read the same inputs.
    static func load(_ names: [String] = ["query"]) throws -> (weight: Matrix, objective: Objective) {
        let checkpoint = try Checkpoint(folder: try #require(folder))
        func tensor(_ name: String) throws -> Tensor { try checkpoint.tensor(named: name) }
        let words = try tensor("embeddings.word_embeddings.weight").matrix()
        let positions = try tensor("embeddings.position_embeddings.weight").matrix()
        let types = try tensor("embeddings.token_type_embeddings.weight").matrix()
        let (scale, shift) = (
            try tensor("embeddings.LayerNorm.weight").floats(),
            try tensor("embeddings.LayerNorm.bias").floats()
        )
        let width = words.columns
        var generator = SeededGenerator(seed: 1)
        var inputs = DoubleMatrix(rows: 3 * width, columns: width)
        for row in 0..<inputs.rows {
            // The whole words of WordPiece's vocabulary begin about here.
            let token = 1996 + generator.nextInteger(below: 5000)
            let sum = (0..<width).map { Double(words[token, $0] + positions[row % 32, $0] + types[0, $0]) }
            let mean = sum.reduce(0, +) / Double(width)
            let variance = sum.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
            for column in 0..<width {
                inputs[row, column] =
                    (sum[column] - mean) / (variance + 1e-12).squareRoot() * Double(scale[column])
                    + Double(shift[column])
            }
        }
        let weights = try names.map { try tensor("encoder.layer.0.attention.self.\($0).weight").matrix() }
        let weight = Matrix(rows: weights.count * width, columns: width) { weights[$0 / width][$0 % width, $1] }
        return (weight, .activations(try Gram(inputs: inputs)))
    }
}
