import Benchmarking
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// A model narrowed by every recipe at several shares: the rows of `Results/rewrites.json`. Recipes for single matrices stand
/// beside them, on the matrices of feed-forward networks alone: what narrowing neurons has to be better than.
///
/// Each row is written when it is done; a study that is started again measures what the file lacks.
public struct RewriteStudy: ModelStudy, Sendable {
    public var model: String
    public var calibration: CalibrationSource
    public var evaluation: EvaluationText
    public var recipes: [NamedRecipe]
    public var shares: [Double]
    /// Texts or sentences at once that times are measured for.
    public var batches: [Int]
    /// Measure on a text though the calibration has parts of it.
    public var allowsOverlap = false
    public var commit: String
    public var seed: UInt64
    /// The file of results; several models may share one.
    public var output: String
    public var context: ExecutionContext
    public var progress: @Sendable (CompressionProgress) -> Void

    public init(
        model: String, calibration: CalibrationSource, evaluation: EvaluationText, recipes: [NamedRecipe],
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
    /// - Throws: `CompressionError.studyUnreadable`, `.studyMismatch`, `.notNarrowable`, `.textsOverlap`; what loading and
    ///   judging throw. What a recipe refuses is a row with its error.
    public func run() throws -> RewriteResults {
        let loaded = try LoadedModel.load(model)
        guard let network = loaded.model as? any NetworkModel else { throw CompressionError.notNarrowable(model: model) }
        progress(CompressionProgress(stage: "judging the dense model", done: 0, total: 1))
        let judge = try QualityJudge(loaded, evaluation, context: context)
        let text = try CalibrationText.read(calibration, for: loaded, seed: seed, context: context, progress: progress)
        let overlap = text.fingerprints(for: loaded.model).overlap(with: evaluation.tokens(of: loaded))
        guard !overlap.isTooLarge || allowsOverlap else {
            throw CompressionError.textsOverlap(file: evaluation.name, overlap: overlap.text)
        }
        return try run(
            shares.flatMap { share in recipes.map { Task(recipe: $0, share: share) } },
            into: RewriteResults(
                model: modelName,
                identity: [("calibration", text.origin), ("evaluation", evaluation.name), ("seed", String(seed))],
                dense: RewriteFormat.Dense(
                    parameters: network.allParameters, blockParameters: network.blockParameters,
                    multiplyAdds: network.multiplyAdds, figures: judge.original))
        ) { task, progress in
            try measured(task, loaded, network, judge, text, progress)
        }
    }

    typealias Format = RewriteFormat

    struct Task {
        let recipe: NamedRecipe
        let share: Double
    }

    func key(of task: Task) -> RecipeAtShare { RecipeAtShare(recipe: task.recipe.name, share: task.share) }
    func title(of task: Task) -> String { "\(task.recipe.name), \(FigureText.percent(task.share))" }

    private func measured(
        _ task: Task, _ loaded: LoadedModel, _ network: any NetworkModel, _ judge: QualityJudge, _ text: CalibrationText,
        _ progress: @escaping @Sendable (CompressionProgress) -> Void
    ) throws -> RewriteMeasurement {
        let start = ContinuousClock.now
        let made =
            switch task.recipe {
            case .rewrite(let recipe):
                try ModelRewriter(
                    method: recipe.method, share: task.share, calibration: text.calibration, heldOut: text.heldOut, seed: seed,
                    context: context, progress: progress
                ).run(network)
            case .method(let recipe):
                try fitted(recipe.sized(.share(task.share, of: .parameters)), loaded, network, text.calibration, progress)
            }
        let seconds = start.duration(to: .now).inSeconds
        let figures = try judge.figures(of: made.model, context: context)
        let times = try batches.map { batch in
            let measured = try LatencyMeasurement.measure(
                made.model, against: network, LatencyWorkload(model: network, batch: batch), context: context
            ) { progress(CompressionProgress(stage: "timing", done: $0, total: $1)) }
            return RewriteMeasurement.Time(
                batch: batch, ratio: measured.ratio, lower: measured.ratioLower, upper: measured.ratioUpper)
        }
        return RewriteMeasurement(
            touchedBefore: made.touched.before, touchedAfter: made.touched.after, parameters: made.model.allParameters,
            multiplyAdds: made.model.multiplyAdds, figures: figures, times: times, seconds: seconds)
    }

    /// The matrices of feed-forward networks one by one, stored as they are.
    private func fitted(
        _ recipe: MethodRecipe, _ loaded: LoadedModel, _ network: any NetworkModel, _ sequences: [[Int]],
        _ progress: @escaping @Sendable (CompressionProgress) -> Void
    ) throws -> ModelRewriter.Outcome {
        let names = Set(
            network.blockSizes.indices.flatMap { block in
                BlockMatrix.feedForward.map { network.siteName(block, $0) }
            })
        let sites = network.sites.filter { names.contains($0.name) }
        let (method, size) = try recipe.sizedMethod(for: sites)
        let precision = sites.first.flatMap { (network[site: $0.name] as? Dense)?.weight.precision }
        let fits = try ModelFits(
            method, size: size,
            of: CalibratedModel(loaded, sites: sites, sequences: sequences, context: context, progress: progress),
            objective: recipe.objective, errors: [], precision: precision ?? recipe.precision, seed: seed, context: context
        ) { progress(CompressionProgress(stage: "fitting", done: $0, total: $1)) }
        var model = network
        for fitted in fits.matrices { model[site: fitted.site.name] = fitted.matrix }
        return ModelRewriter.Outcome(
            model: model, touched: (sites.reduce(0) { $0 + $1.shape.count }, fits.cost.parameters))
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
            sum - wholeFeedForwardMultiplyAdds(block) + feedForwardMultiplyAdds(block)
        }
    }
}
