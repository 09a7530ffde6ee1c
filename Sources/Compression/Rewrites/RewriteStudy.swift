import Benchmarking
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// A model narrowed by every recipe at several shares: the rows of `Results/rewrites.json`.
///
/// Each row is written when it is done; a study that is started again measures what the file lacks.
public struct RewriteStudy: Sendable {
    public var model: String
    public var calibration: CalibrationSource
    public var evaluation: EvaluationText
    public var recipes: [RewriteRecipe]
    public var shares: [Double]
    /// Texts or sentences at once that times are measured for.
    public var batches: [Int]
    public var commit: String
    public var seed: UInt64
    /// The file of results; several models may share one.
    public var output: String
    public var context: ExecutionContext
    public var progress: @Sendable (CompressionProgress) -> Void

    public init(
        model: String, calibration: CalibrationSource, evaluation: EvaluationText, recipes: [RewriteRecipe],
        shares: [Double], batches: [Int] = [1, 64], commit: String = "", seed: UInt64 = 0, output: String,
        context: ExecutionContext, progress: @escaping @Sendable (CompressionProgress) -> Void = { _ in }
    ) {
        self.model = model
        self.calibration = calibration
        self.evaluation = evaluation
        self.recipes = recipes
        self.shares = shares
        self.batches = batches
        self.commit = commit
        self.seed = seed
        self.output = output
        self.context = context
        self.progress = progress
    }

    /// Measures what the file lacks.
    /// - Throws: `CompressionError.studyUnreadable`, `.notNarrowable`, `.textsOverlap`; what loading and judging throw. What a
    ///   recipe refuses is a row with its error.
    public func run() throws -> RewriteResults {
        let loaded = try LoadedModel.load(model)
        guard let network = loaded.model as? any NetworkModel else { throw CompressionError.notNarrowable(model: model) }
        progress(CompressionProgress(stage: "judging the dense model", done: 0, total: 1))
        let judge = try QualityJudge(loaded, evaluation, context: context)
        let text = try CalibrationText.read(calibration, for: loaded, seed: seed, context: context, progress: progress)
        let overlap = text.fingerprints(for: loaded.model).overlap(with: evaluation.tokens(of: loaded))
        guard !overlap.isTooLarge else { throw CompressionError.textsOverlap(file: evaluation.name, overlap: overlap.text) }
        var results = RewriteResults(
            model: URL(fileURLWithPath: model).lastPathComponent, calibration: text.origin, evaluation: evaluation.name,
            seed: seed, parameters: network.allParameters, blockParameters: network.blockParameters,
            multiplyAdds: network.multiplyAdds, figures: judge.original)
        try results.read(output)
        try results.write(output)
        let tasks = shares.flatMap { share in recipes.map { ($0, share) } }
        for (index, (recipe, share)) in tasks.enumerated() where results.row(recipe.name, share) == nil {
            let stage = "\(index + 1) of \(tasks.count): \(recipe.name), \(FigureText.percent(share))"
            results.rows.append(row(recipe, share, network, judge, text.calibration, stage))
            try results.write(output)
        }
        return results
    }

    private func row(
        _ recipe: RewriteRecipe, _ share: Double, _ network: any NetworkModel, _ judge: QualityJudge,
        _ sequences: [[Int]], _ stage: String
    ) -> RewriteRow {
        var row = RewriteRow(
            recipe: recipe.name, share: share, date: Date().formatted(.iso8601), processor: ProcessorName.current,
            threads: context.threads, commit: commit)
        let progress = progress
        let inner: @Sendable (CompressionProgress) -> Void = {
            progress(CompressionProgress(stage: "\(stage): \($0.stage)", done: $0.done, total: $0.total))
        }
        do {
            let start = ContinuousClock.now
            let made = try ModelRewriter(
                method: recipe.method, share: share, calibration: sequences, seed: seed, context: context, progress: inner
            ).run(network)
            let seconds = start.duration(to: .now).inSeconds
            let figures = try judge.figures(of: made.model, context: context)
            let times = try batches.map { batch in
                let measured = try LatencyMeasurement.measure(
                    made.model, against: network, LatencyWorkload(model: network, batch: batch), context: context
                ) { inner(CompressionProgress(stage: "timing", done: $0, total: $1)) }
                return RewriteRow.Time(
                    batch: batch, ratio: measured.ratio, lower: measured.ratioLower, upper: measured.ratioUpper)
            }
            row.measured = RewriteRow.Measured(
                touchedBefore: made.touched.before, touchedAfter: made.touched.after, parameters: made.model.allParameters,
                bytesInF16: 2 * made.model.allParameters, multiplyAdds: made.model.multiplyAdds, figures: figures,
                times: times, seconds: seconds)
        } catch {
            row.error = "\(error)"
        }
        return row
    }
}

extension NetworkModel {
    /// Of all matrices and vectors.
    var allParameters: Int {
        expertParameters + sites.reduce(0) { $0 + self[site: $1.name].cost.parameters }
            + vectorNames.reduce(0) { $0 + (self[vector: $1]?.count ?? 0) }
    }

    /// Of all matrices that are multiplied with, for one token; of experts those that run.
    var multiplyAdds: Int {
        let all = sites.filter(\.isMultiplied).reduce(0) { $0 + self[site: $1.name].cost.multiplyAdds }
        return blockSizes.indices.filter { experts($0) != nil }.reduce(all) { sum, block in
            let whole = [BlockMatrix.gate, .up, .down].reduce(0) { $0 + linear(block, $1).weight.cost.multiplyAdds }
            return sum - whole + feedForwardMultiplyAdds(block)
        }
    }
}
