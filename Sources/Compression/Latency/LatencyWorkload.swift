import Benchmarking
import StructuredMatrices
import Tensors
import Transformers

/// The work whose time a latency budget is a share of, the same for every model of its kind and never
/// dependent on text.
///
/// Causal models: one token for each of `batch` texts. Encoders: one batch of sentences of 8 to 32 tokens.
public struct LatencyWorkload: Sendable {
    /// How models are run unless their users choose otherwise.
    public static let activations = ActivationRounding.int8

    public let batch: Int
    /// Rows of X in each of the products Y = X W^T that a unit of work makes.
    public let rows: Int
    /// Products a unit makes with every matrix: more than one where a batch runs in pieces.
    public let products: Double
    /// What one unit is: "token", "batch of 64 sentences".
    public let unit: String
    /// Encoders: the units, each a batch of sentences. Causal models: one prompt for each text.
    private let sequences: [[[Int]]]
    private let isEncoders: Bool
    /// Causal models: tokens that are written in one run.
    private let steps: Int

    /// Tokens of an encoder's batch that run together.
    private static let tokensTogether = 512
    private static let promptTokens = 16
    /// Steps of writing that are timed together.
    private static let steps = 8

    public init(model: any TransformerModel, batch: Int) {
        self.batch = batch
        var generator = SeededGenerator(seed: 0, stream: "latency workload")
        let vocabulary = model.vocabularySize
        func tokens(_ count: Int) -> [Int] {
            (0..<count).map { _ in generator.nextInteger(below: vocabulary) }
        }
        isEncoders = model is any EncoderModel
        if isEncoders {
            steps = 0
            let units = max(1, min(32, 64 / batch))
            sequences = (0..<units).map { _ in
                (0..<batch).map { _ in
                    tokens(min(model.maximumPositions, 8 + generator.nextInteger(below: 25)))
                }
            }
            let perUnit = Double(sequences.joined().reduce(0) { $0 + $1.count }) / Double(units)
            rows = max(1, min(Self.tokensTogether, Int(perUnit.rounded())))
            products = perUnit / Double(rows)
            unit = batch == 1 ? "sentence" : "batch of \(batch) sentences"
        } else {
            let length = min(Self.promptTokens, max(1, model.maximumPositions - Self.steps - 1))
            sequences = [(0..<batch).map { _ in tokens(length) }]
            steps = max(1, min(Self.steps, model.maximumPositions - length - 1))
            rows = batch
            products = 1
            unit = batch == 1 ? "token" : "token of \(batch) texts"
        }
    }

    /// Units that are done in one run, so that a run is long enough to be timed.
    var unitsPerRun: Int { isEncoders ? sequences.count : steps }

    /// A model made ready to do the work: what it returns does it `unitsPerRun` times and gives the seconds that one unit
    /// took.
    /// - Throws: `TransformersError`.
    public func runner(_ model: any TransformerModel, context: ExecutionContext) throws -> () throws -> Double
    {
        var model = model
        model.prepare(PreparationOptions(activations: Self.activations), context: context)
        let clock = ContinuousClock()
        let sequences = sequences
        if let encoder = model as? any EncoderModel {
            return {
                let time = try clock.measure {
                    for unit in sequences { _ = try encoder.embed(unit, context: context) }
                }
                return time.inSeconds / Double(sequences.count)
            }
        }
        guard let causal = model as? any CausalModel else { return { 0 } }
        let prompts = sequences[0]
        var filled = prompts.map { _ in causal.makeCache() }
        _ = try causal.advance(prompts, caches: &filled, context: context)
        let (start, steps) = (filled, steps)
        return {
            var caches = start
            let next = prompts.map { [$0[0]] }
            // The first step gives the caches memory of their own.
            _ = try causal.advance(next, caches: &caches, context: context)
            let time = try clock.measure {
                for _ in 0..<steps { _ = try causal.advance(next, caches: &caches, context: context) }
            }
            return time.inSeconds / Double(steps)
        }
    }
}
