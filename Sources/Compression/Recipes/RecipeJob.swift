import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// A recipe applied to the linear matrices of a model folder: from its files to the compressed folder.
public struct RecipeJob: Sendable {
    public var model: String
    public var output: String
    public var recipe: MethodRecipe
    public var calibration: CalibrationSource?
    /// Weights of every matrix, for recipes whose objective is made of them.
    public var fisher: FisherArchive?
    public var seed: UInt64
    public var replacesOutput = false
    public var context: ExecutionContext
    public var progress: @Sendable (CompressionProgress) -> Void

    public init(
        model: String, output: String, recipe: MethodRecipe, calibration: CalibrationSource? = nil,
        fisher: FisherArchive? = nil, seed: UInt64 = 0, context: ExecutionContext,
        progress: @escaping @Sendable (CompressionProgress) -> Void = { _ in }
    ) {
        self.model = model
        self.output = output
        self.recipe = recipe
        self.calibration = calibration
        self.fisher = fisher
        self.seed = seed
        self.context = context
        self.progress = progress
    }

    /// What was fitted, and how well.
    public struct Outcome: Sendable {
        public let recipe: MethodRecipe
        public let calibration: String?
        public let calibrationFingerprints: CalibrationFingerprints?
        public let fits: ModelFits
        public let seed: UInt64
    }

    /// Fits every matrix that the recipe takes and writes the folder, with the recipe and the errors reached beside the
    /// weights (recipe.yaml, report.json). The same recipe, model, text and seed give the same bytes, also where a run was
    /// killed and started again.
    /// - Throws: `CompressionError`, `FittingError`, `ModelFileError`, `TransformersError`; nothing is written then.
    public func run() throws -> Outcome {
        let folder = try ModelFolder(path: model)
        guard !folder.configuration.isCompressed else { throw CompressionError.alreadyCompressed(folder: model) }
        var loaded = try LoadedModel.load(model)
        try loaded.take(calibration)
        let selection = MatrixSelection(scope: .linear, only: recipe.only, except: recipe.except)
        let sites = try selection.split(loaded.model.sites).selected
        // Refuse a destination that is taken before hours of work, not after.
        _ = try OutputFolder(
            destination: output, replacing: replacesOutput, requiredBytes: loaded.checkpoint.fileByteCount)
        if recipe.needsCalibration, calibration == nil {
            throw CompressionError.missingCalibration(reason: "the objective '\(recipe.objective.rawValue)' is made of it")
        }
        if recipe.needsFisher, fisher == nil { throw CompressionError.missingFisher(objective: recipe.objective.rawValue) }
        let calibrated = try CalibratedModel(
            loaded, sites: sites, calibration: recipe.needsCalibration ? calibration : nil,
            fisher: recipe.needsFisher ? fisher : nil, seed: seed, context: context, progress: progress)
        let (method, size) = try recipe.sizedMethod(for: sites)
        let journal = try Journal(
            folder: Journal.folder(beside: output), identity: identity(loaded, folder, calibrated))
        let fits = try ModelFits(
            method, size: size, of: calibrated, objective: recipe.objective, errors: [recipe.objective],
            precision: recipe.precision, seed: seed, context: context, journal: journal
        ) { progress(CompressionProgress(stage: "fitting \(recipe.name)", done: $0, total: $1)) }
        let outcome = Outcome(recipe: recipe, calibration: calibrated.origin,
            calibrationFingerprints: calibrated.origin == nil
                ? nil : CalibrationFingerprints(calibrated.sequences, isEncoder: loaded.model is any EncoderModel),
            fits: fits, seed: seed)
        let written = try RewrittenFolder(
            source: folder, original: loaded,
            changes: ModelChanges(matrices: fits.matrices.map { ($0.site.name, $0.matrix) }), destination: output, replacing: replacesOutput)
        try written.write(extraFiles: [
            ("recipe.yaml", Array(recipe.text.utf8)),
            ("report.json", outcome.json.serialized(pretty: true) + [UInt8(ascii: "\n")]),
        ])
        try journal.remove()
        return outcome
    }

    private func identity(
        _ loaded: LoadedModel, _ folder: ModelFolder, _ calibrated: CalibratedModel
    ) throws -> [(name: String, value: String)] {
        var choices = Fingerprint()
        choices.add("\(recipe.text)seed=\(seed)")
        if recipe.needsFisher, let fisher { try choices.add(fileAt: fisher.file) }
        let text = calibrated.origin == nil ? "" : CalibrationText(calibration: calibrated.sequences, heldOut: [], origin: "").fingerprint
        return try RunIdentity.of(loaded, folder, text: text, images: calibration, choices: choices)
    }
}

extension RecipeJob.Outcome {
    package var json: JSONValue {
        var object = JSONObject()
        object["recipe"] = .string(recipe.name)
        object["method"] = .string(recipe.methodText)
        object["objective"] = .string(recipe.objective.rawValue)
        object["precision"] = .string(recipe.precision.rawValue)
        object["calibration"] = calibration.map { .string($0) } ?? .null
        object[CalibrationFingerprints.key] = calibrationFingerprints?.json ?? .null
        object["seed"] = .string(String(seed))
        object["parameters"] = JSONValue(integer: fits.cost.parameters)
        object["bytes"] = JSONValue(integer: fits.cost.storedBytes)
        object["multiply_adds"] = JSONValue(integer: fits.cost.multiplyAdds)
        object["matrices"] = .array(
            fits.matrices.map { fitted in
                [
                    "name": .string(fitted.site.name), "family": .string(fitted.matrix.family.name),
                    "attributes": FamilyDescription.attributes(fitted.matrix),
                    "bytes": JSONValue(integer: fitted.matrix.cost.storedBytes),
                    "relative_error": fitted.errors.first.map { .number($0) } ?? .null,
                    "refinement": fitted.refinement.map { .string($0) } ?? .null,
                ]
            })
        return .object(object)
    }

    /// One line for each matrix and one for all of them; ends with a newline.
    package var text: String {
        var table = TerminalTable(
            columns: [
                .init("matrix", wraps: true), .init("shape", .right), .init("family"), .init("bytes", .right),
                .init("of f16", .right), .init("macs", .right), .init("error", .right),
            ])
        var weights = 0
        func cells(_ head: [String], _ cost: Cost, _ count: Int, _ error: String) -> TerminalTable.Row {
            .cells(
                head + [
                    FigureText.grouped(cost.storedBytes), FigureText.share(cost.storedBytes, of: 2 * count),
                    FigureText.share(cost.multiplyAdds, of: count), error,
                ])
        }
        for fitted in fits.matrices {
            let shape = fitted.site.shape
            weights += shape.count
            let error = fitted.errors.first.map { FigureText.scientific($0, decimals: 1) } ?? ""
            table.rows.append(
                cells([fitted.site.name, shape.description, fitted.matrix.family.name], fitted.matrix.cost, shape.count, error))
        }
        table.rows += [.rule, cells(["all \(fits.matrices.count) matrices", "", ""], fits.cost, weights, "")]
        return (["\(recipe.name): \(recipe.title) (\(recipe.methodText))", ""] + table.lines).joined(separator: "\n") + "\n"
    }
}
