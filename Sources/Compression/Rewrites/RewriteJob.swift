import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// A recipe that narrows coupled matrices, applied to a model folder: from its files to the narrowed folder, whose
/// `config.json` says the sizes of its blocks. The same recipe, model, text and seed give the same bytes, but for recipes that
/// divide by measured time, also where a run was killed and started again.
public struct RewriteJob: Sendable {
    public var model: String
    public var output: String
    public var recipe: RewriteRecipe
    public var calibration: CalibrationSource?
    public var seed: UInt64
    public var replacesOutput = false
    public var context: ExecutionContext
    public var progress: @Sendable (CompressionProgress) -> Void

    public init(
        model: String, output: String, recipe: RewriteRecipe, calibration: CalibrationSource? = nil, seed: UInt64 = 0,
        context: ExecutionContext, progress: @escaping @Sendable (CompressionProgress) -> Void = { _ in }
    ) {
        self.model = model
        self.output = output
        self.recipe = recipe
        self.calibration = calibration
        self.seed = seed
        self.context = context
        self.progress = progress
    }

    /// What was narrowed.
    public struct Outcome: Sendable {
        public let recipe: RewriteRecipe
        public let calibration: String
        public let calibrationFingerprints: CalibrationFingerprints
        public let seed: UInt64
        /// Parameters that the recipe touches, and of the whole model, before and after.
        public let touched: (before: Int, after: Int)
        public let parameters: (before: Int, after: Int)
        /// Of the weight files.
        public let fileBytes: (before: Int, after: Int)
        public let blocks: (before: [BlockSizes], after: [BlockSizes])
        /// Features of the residual stream, and what is left of them at each of its places; empty where it is whole.
        public let stream: (features: Int, widths: [Int])
        /// Of blocks whose feed-forward networks were cut into experts.
        public let experts: [ExpertFit]
        /// Of recipes that count time.
        public let time: NarrowedTime?
    }

    /// - Throws: `CompressionError`, `RewritingError`, `ModelFileError`, `TransformersError`; nothing is written then.
    public func run() throws -> Outcome {
        let folder = try ModelFolder(path: model)
        guard !folder.configuration.isCompressed else { throw CompressionError.alreadyCompressed(folder: model) }
        var loaded = try LoadedModel.load(model)
        try loaded.take(calibration)
        guard let network = loaded.model as? any NetworkModel else { throw CompressionError.notNarrowable(model: model) }
        guard network.expertTensorNames.isEmpty else { throw CompressionError.hasExperts(folder: model) }
        guard let calibration else {
            throw CompressionError.missingCalibration(reason: "what units are worth is measured on it")
        }
        // Refuse a destination that is taken before the work, not after.
        _ = try OutputFolder(
            destination: output, replacing: replacesOutput, requiredBytes: loaded.checkpoint.fileByteCount)
        let text = try CalibrationText.read(calibration, for: loaded, seed: seed, context: context, progress: progress)
        let journal = try Journal(
            folder: Journal.folder(beside: output), identity: identity(loaded, folder, text))
        let made = try ModelRewriter(
            method: recipe.method, share: recipe.share, calibration: text.calibration, heldOut: text.heldOut, seed: seed,
            journal: journal, context: context, progress: progress
        ).run(network)
        let written = try RewrittenFolder(
            source: folder, original: loaded, changes: ModelChanges(from: network, to: made.model), destination: output,
            replacing: replacesOutput)
        let outcome = Outcome(
            recipe: recipe, calibration: text.origin, calibrationFingerprints: text.fingerprints(for: loaded.model),
            seed: seed, touched: made.touched, parameters: (network.allParameters, made.model.allParameters),
            fileBytes: (loaded.checkpoint.fileByteCount, written.fileByteCount),
            blocks: (network.blockSizes, made.model.blockSizes),
            stream: (network.streamFeatures, made.model.isStreamCut ? made.model.streamWidths : []), experts: made.experts,
            time: made.time)
        try written.write(extraFiles: [
            ("recipe.yaml", Array(recipe.text.utf8)),
            ("report.json", outcome.json.serialized(pretty: true) + [UInt8(ascii: "\n")]),
        ])
        try journal.remove()
        return outcome
    }

    private func identity(
        _ loaded: LoadedModel, _ folder: ModelFolder, _ text: CalibrationText
    ) throws -> [(name: String, value: String)] {
        var choices = Fingerprint()
        choices.add("\(recipe.text)seed=\(seed)")
        return try RunIdentity.of(loaded, folder, text: text.fingerprint, images: calibration, choices: choices)
    }
}

extension RewriteJob.Outcome {
    package var json: JSONValue {
        var object = JSONObject()
        object["recipe"] = .string(recipe.name)
        object["share"] = .number(recipe.share)
        object["share_of"] = .string(recipe.quantityText)
        object["calibration"] = .string(calibration)
        object[CalibrationFingerprints.key] = calibrationFingerprints.json
        object["seed"] = .string(String(seed))
        object["touched_parameters"] = [JSONValue(integer: touched.before), JSONValue(integer: touched.after)]
        object["parameters"] = [JSONValue(integer: parameters.before), JSONValue(integer: parameters.after)]
        object["file_bytes"] = [JSONValue(integer: fileBytes.before), JSONValue(integer: fileBytes.after)]
        object["blocks"] = .array(blocks.after.map(\.json))
        if !stream.widths.isEmpty {
            object["stream_features"] = JSONValue(integer: stream.features)
            object["stream_widths"] = .array(stream.widths.map { JSONValue(integer: $0) })
        }
        if let time { object["time_over_dense"] = time.json }
        if !experts.isEmpty {
            object["experts"] = .array(
                experts.map {
                    [
                        "block": JSONValue(integer: $0.block), "relative_error": .number($0.error),
                        "least_relative_error": .number($0.leastError),
                    ]
                })
        }
        return .object(object)
    }

    /// One line for each block; ends with a newline.
    package var text: String {
        experts.isEmpty ? sizesText : expertsText
    }

    private var expertsText: String {
        var table = TerminalTable(
            columns: [
                .init("block", .right), .init("experts", .right), .init("run for a token", .right),
                .init("error", .right), .init("least error", .right),
            ])
        for fit in experts {
            guard let sizes = blocks.after[fit.block].experts else { continue }
            table.rows.append(
                .cells([
                    "\(fit.block)", "\(sizes.count)", "\(sizes.active)", FigureText.fixed(fit.error, decimals: 4),
                    FigureText.fixed(fit.leastError, decimals: 4),
                ]))
        }
        let sums =
            "\(recipe.name): \(recipe.title)\nmultiply-adds of a token in feed-forward networks: "
            + "\(FigureText.share(touched.after, of: touched.before)); stored parameters: "
            + "\(FigureText.share(parameters.after, of: parameters.before)), nothing is smaller in storage\n"
            + "errors are squared, relative to the network's output, on the calibration text: by the router, by the best choice"
        return ([sums, ""] + table.lines).joined(separator: "\n") + "\n"
    }

    private var sizesText: String {
        var table = TerminalTable(
            columns: [
                .init("block", .right), .init("heads", .right), .init("q-k width", .right), .init("value width", .right),
                .init("feed-forward width", .right),
            ] + (stream.widths.isEmpty ? [] : [.init("stream", .right)]))
        func change(_ before: Int, _ after: Int) -> String { before == after ? "\(after)" : "\(before) -> \(after)" }
        func kept(_ ranks: [Int]?) -> String { ranks.map { " (\($0.map(String.init).joined(separator: ", ")))" } ?? "" }
        for (index, (before, after)) in zip(blocks.before, blocks.after).enumerated() {
            table.rows.append(
                .cells([
                    "\(index)", change(before.heads, after.heads),
                    change(before.queryKeyWidth, after.queryKeyWidth) + kept(after.keyRanks),
                    change(before.valueWidth, after.valueWidth) + kept(after.valueWidths),
                    change(before.feedForwardWidth, after.feedForwardWidth),
                ] + (stream.widths.isEmpty ? [] : ["\(stream.widths[2 * index]), \(stream.widths[2 * index + 1])"])))
        }
        let sums =
            "\(recipe.name): \(recipe.title)\nasked for \(FigureText.percent(recipe.share)) of \(recipe.quantityText); "
            + "left are \(FigureText.share(touched.after, of: touched.before)) of \(recipe.touchedText), "
            + "\(FigureText.share(parameters.after, of: parameters.before)) of the whole model's parameters, "
            + "\(FigureText.share(fileBytes.after, of: fileBytes.before)) of the weight file's bytes"
        var notes: [String] = []
        if let last = stream.widths.last {
            notes.append("The stream had \(stream.features) features and ends with \(last). Skip matrices are counted.")
        }
        if recipe.method.cacheRanks != nil { notes.append("In parentheses what each key-value head keeps.") }
        if !notes.isEmpty { notes = ["", (notes + ["The folder opens only in Tessera."]).joined(separator: " ")] }
        let measured = time.map { [$0.text] } ?? []
        return ([sums] + measured + [""] + table.lines + notes).joined(separator: "\n") + "\n"
    }
}
