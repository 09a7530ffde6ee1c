import ModelFiles
import Tensors
import Transformers

/// Coupled matrices narrowed before the others' choice.
extension CompressionJob {
    /// What `Recipe.narrowingLevels(of:)` are levels of.
    static let narrowing = "narrow"

    /// The model as a plan says, or as it is.
    /// - Throws: `CompressionError.notNarrowedHere`, `.notNarrowable`, `.unknownRecipe`; as `ModelRewriter.run`.
    func narrowed(
        _ model: any TransformerModel, _ rewrite: Plan.Rewrite, _ text: CalibrationText, journal: Journal? = nil,
        progress: @escaping @Sendable (CompressionProgress) -> Void
    ) throws -> any TransformerModel {
        guard let network = model as? any NetworkModel else { throw CompressionError.notNarrowable(model: self.model) }
        let recipe = try RewriteRecipes.named([rewrite.recipe])[0]
        return try ModelRewriter(
            method: recipe.method, share: rewrite.share, calibration: text.calibration, heldOut: text.heldOut,
            seed: self.recipe.seed, journal: journal, context: context, progress: progress
        ).run(network).model
    }

    /// The levels to try; none where they cannot be, but for those that were asked for.
    /// - Throws: `CompressionError.notNarrowedHere`, `.notNarrowable`.
    func narrowingLevels(_ opened: Opened) throws -> [Double] {
        let levels = recipe.narrowingLevels(of: opened.loaded.model)
        guard !levels.isEmpty, let reason = obstacle(opened) else { return levels }
        guard recipe.rewrites == .automatic else {
            guard opened.loaded.model is any NetworkModel else { throw CompressionError.notNarrowable(model: model) }
            throw CompressionError.notNarrowedHere(reason: reason)
        }
        return []
    }

    private func obstacle(_ opened: Opened) -> String? {
        guard !withoutCalibration else { return "without calibration text nothing tells which neurons others can stand for" }
        guard !opened.memory.isScarce else { return "that takes more memory than --memory allows" }
        guard recipe.latencyBudget == nil else { return "the table of latencies has no times of narrowed shapes; use --recipe ziplm" }
        guard let network = opened.loaded.model as? any NetworkModel else { return "this model is no network of blocks" }
        guard network.expertTensorNames.isEmpty else { return "its feed-forward networks are cut into experts" }
        guard network.blockSizes.allSatisfy({ $0.keyRanks == nil && $0.valueWidths == nil }) else {
            return "its heads keep keys and values in directions of their own"
        }
        let selected = Set(opened.forecast.selected.map(\.name))
        for block in network.blockSizes.indices {
            for matrix in BlockMatrix.allCases where network.linear(block, matrix).weight.shape.count > 0 {
                let name = network.siteName(block, matrix)
                guard selected.contains(name) else { return "'\(name)' is left out of the choice" }
            }
        }
        return nil
    }

    /// The folder with what was narrowed, fitted and recovered.
    func writtenFolder(_ opened: Opened, _ result: Compressor.Result) throws -> RewrittenFolder {
        let matrices = zip(result.entries, result.fits).map { (name: $0.name, matrix: $1.matrix) }
        var changes = ModelChanges()
        if result.rewrite != nil, let before = opened.loaded.model as? any NetworkModel,
            let after = result.model as? any NetworkModel
        {
            changes = try ModelChanges(from: before, to: after)
        }
        return try RewrittenFolder(
            source: opened.folder, original: opened.loaded, changes: changes.replacing(matrices, vectors: result.vectors),
            unused: opened.unused, destination: output, replacing: replacesOutput)
    }

    /// Chooses, or fits what the plan says.
    func compressed(_ opened: Opened, _ start: Start, _ journal: Journal) throws -> NarrowingSearch.Outcome {
        func alone(_ compressor: Compressor, _ result: Compressor.Result) -> NarrowingSearch.Outcome {
            NarrowingSearch.Outcome(compressor: compressor, result: result, journal: journal)
        }
        if let plan = opened.plan {
            let compressor = compressor(opened, start, start.narrowed, progress)
            var result = try compressor.run(plan: plan, journal: journal)
            result.rewrite = plan.rewrite
            return alone(compressor, result)
        }
        guard !start.levels.isEmpty else {
            let compressor = compressor(opened, start, nil, progress)
            return alone(compressor, try compressor.run(journal: journal))
        }
        let recipe = try RewriteRecipes.named([Self.narrowing])[0]
        return try NarrowingSearch(
            recipe: recipe, levels: start.levels, journal: journal, isAlone: communicator.isAlone
        ) { share, stage in
            let told = progress
            let progress: @Sendable (CompressionProgress) -> Void = {
                told(CompressionProgress(stage: stage + $0.stage, done: $0.done, total: $0.total))
            }
            let rewrite = Plan.Rewrite(recipe: recipe.name, share: share)
            let model = share < 1 ? try narrowed(
                opened.loaded.model, rewrite, start.text, journal: journal.part("narrowing"), progress: progress) : nil
            return compressor(opened, start, model, progress)
        }.run()
    }

    /// - Parameter narrowed: what the model was narrowed to; nil for the model as it is.
    private func compressor(
        _ opened: Opened, _ start: Start, _ narrowed: (any TransformerModel)?,
        _ progress: @escaping @Sendable (CompressionProgress) -> Void
    ) -> Compressor {
        let original = opened.loaded.model
        let names = Set(start.selected.map(\.name))
        let goal = start.latency.flatMap { self.goal($0, opened, run: Self.name(of: start.identity)) }
        var compressor = Compressor(
            recipe: recipe, model: narrowed ?? original, original: narrowed == nil ? nil : original,
            calibration: start.text.calibration, heldOut: start.text.heldOut, limits: limits(opened, narrowed), latency: goal,
            selected: narrowed.map { $0.sites.filter { names.contains($0.name) } } ?? start.selected, context: context,
            progress: progress)
        compressor.memory = start.memory
        compressor.communicator = communicator
        return compressor
    }

    /// What the budgets allow: biases that came new in narrowing come off those in bytes, with their places in the header.
    private func limits(_ opened: Opened, _ narrowed: (any TransformerModel)?) -> [Int] {
        guard let before = opened.loaded.model as? any NetworkModel, let after = narrowed as? any NetworkModel else {
            return opened.forecast.budgets.map { $0.limit }
        }
        let known = Set(before.vectorNames)
        let added = after.vectorNames.filter { !known.contains($0) }.reduce(0) { $0 + 200 + 4 * (after[vector: $1]?.count ?? 0) }
        return opened.forecast.budgets.map { $0.budget.quantity == .bytes ? max(0, $0.limit - added) : $0.limit }
    }
}
