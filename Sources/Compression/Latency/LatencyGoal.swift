import Benchmarking
import ModelFiles
import Tensors
import Transformers

/// The dense and the compressed model timed in turns.
public struct LatencyMeasurement: Sendable, Equatable {
    /// Nanoseconds of a unit of work, the fastest of the rounds.
    public let dense: Double
    public let compressed: Double
    /// Compressed over dense, the median of the rounds.
    public let ratio: Double
    /// Quartiles of the ratio, round by round.
    public let ratioLower: Double
    public let ratioUpper: Double

    private static let (fewestRounds, mostRounds) = (9, 41)
    /// That each of the two may take where the fewest rounds take less.
    private static let seconds = 1.0

    /// - Throws: `TransformersError`.
    static func measure(
        _ compressed: any TransformerModel, against dense: any TransformerModel, _ workload: LatencyWorkload,
        context: ExecutionContext, progress: (_ done: Int, _ total: Int) -> Void
    ) throws -> LatencyMeasurement {
        let run = [
            try workload.runner(dense, context: context), try workload.runner(compressed, context: context),
        ]
        let timing = try InterleavedTiming(
            contestants: 2,
            rounds: InterleavedTiming.Rounds(
                least: fewestRounds, most: mostRounds, seconds: seconds / Double(workload.unitsPerRun)),
            progress: progress
        ) { try run[$0]() }
        let speedup = timing.speedup(1)
        return LatencyMeasurement(
            dense: timing.fastest(0) * 1e9, compressed: timing.fastest(1) * 1e9,
            ratio: 1 / speedup.median, ratioLower: 1 / speedup.upper,
            ratioUpper: 1 / speedup.lower)
    }
}

/// How a compression under a latency budget came out.
public struct LatencyOutcome: Sendable {
    /// A share of the dense model's time.
    public let target: Double
    /// As it stood for the last choice.
    public let prediction: LatencyPrediction
    /// Nanoseconds of the compressed model for a unit of work.
    public let predicted: Double
    /// Nil where the table is of another machine.
    public let measured: LatencyMeasurement?
    /// Names the times that were looked up.
    public let table: String
    /// How often the choice was made again because the prediction had been wrong.
    public let corrections: Int

    public var predictedShare: Double { predicted / prediction.dense }

    /// Whether the model that was timed takes more than a tenth longer than asked for; nil where none was
    /// timed.
    public var misses: Bool? { measured.map { $0.ratio > target * (1 + LatencyGoal.tolerance) } }
}

/// A latency budget on its way to being met: what is predicted of it, and how that is checked.
struct LatencyGoal: Sendable {
    /// Predictions and targets may be missed by so much.
    static let tolerance = 0.1
    private static let mostCorrections = 3

    let budget: Budget
    var prediction: LatencyPrediction
    /// Whether models can be timed where the table was measured.
    let isHere: Bool
    /// Whether the table holds this run's correction already, so that no other may be found.
    let isSettled: Bool
    /// Names the times that are looked up.
    let table: String
    let dense: any TransformerModel
    let context: ExecutionContext
    /// Refuses what cannot be met after a correction.
    let check: @Sendable (CandidatePrices) throws -> Void

    /// Chooses, times what came out, and chooses again with the prediction corrected, until the prediction
    /// holds.
    ///
    /// What is timed is recorded in the journal, so that a run that was stopped continues as it began.
    /// - Throws: `CompressionError.latencyUnreachable` when a corrected prediction leaves no choice; what
    ///   `attempt` throws.
    func settle(
        _ prices: inout CandidatePrices, journal: Journal, progress: (_ done: Int, _ total: Int) -> Void,
        attempt: (CandidatePrices) throws -> Compressor.Result
    ) throws -> Compressor.Result {
        for round in 0... {
            var result = try attempt(prices)
            let prediction = prices.latency ?? self.prediction
            let candidates = result.entries.map { $0.choice.candidate }
            let predicted = prediction.predicted(candidates, of: prices.selected)
            var measured: LatencyMeasurement?
            if isHere {
                measured =
                    try journal.latency(prediction.correction)
                    ?? LatencyMeasurement.measure(
                        result.model, against: dense, prediction.workload, context: context,
                        progress: progress)
                if let measured { try journal.record(measured, prediction.correction) }
            }
            let outcome = LatencyOutcome(
                target: budget.fraction, prediction: prediction, predicted: predicted, measured: measured,
                table: table, corrections: round)
            for index in result.entries.indices {
                result.entries[index].latency = prediction.time(candidates[index], of: prices.selected[index])
            }
            result.latency = outcome
            guard !isSettled, round < Self.mostCorrections, let ratio = measured?.ratio else { return result }
            let isTooSlow = outcome.misses == true
            // Faster than predicted is a fault only where the prediction held the choice back.
            let isTooFast =
                ratio < outcome.predictedShare * (1 - Self.tolerance)
                && outcome.predictedShare > budget.fraction * 0.95
            guard isTooSlow || isTooFast else { return result }
            let besides = prediction.fixed(besides: prices.selected)
            let factor = (ratio * prediction.dense - besides) / max(predicted - besides, 1)
            prices.latency?.correction *= min(max(factor, 0.5), 2)
            try check(prices)
        }
        preconditionFailure("the rounds have an end")
    }
}

extension Journal {
    fileprivate func latency(_ correction: Double) -> LatencyMeasurement? {
        guard let numbers = self["latency/\(correction)"]?.arrayValue?.compactMap({ $0.doubleValue }),
            numbers.count == 5
        else { return nil }
        return LatencyMeasurement(
            dense: numbers[0], compressed: numbers[1], ratio: numbers[2], ratioLower: numbers[3],
            ratioUpper: numbers[4])
    }

    fileprivate func record(_ measured: LatencyMeasurement, _ correction: Double) throws {
        let numbers = [
            measured.dense, measured.compressed, measured.ratio, measured.ratioLower, measured.ratioUpper,
        ]
        try record("latency/\(correction)", .array(numbers.map { .number($0) }))
    }
}
