import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// A recipe that narrows coupled matrices, applied to a model folder: from its files to the narrowed folder, whose
/// `config.json` says the sizes of its blocks. The same recipe, model, text and seed give the same bytes, but for recipes that
/// divide by measured time.
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
        public let seed: UInt64
        /// Parameters that the recipe touches, and of the whole model, before and after.
        public let touched: (before: Int, after: Int)
        public let parameters: (before: Int, after: Int)
        public let blocks: (before: [BlockSizes], after: [BlockSizes])
        /// Features of the residual stream, and what is left of them at each of its places; empty where it is whole.
        public let stream: (features: Int, widths: [Int])
    }

    /// - Throws: `CompressionError`, `RewritingError`, `ModelFileError`, `TransformersError`; nothing is written then.
    public func run() throws -> Outcome {
        let folder = try ModelFolder(path: model)
        guard !folder.configuration.isCompressed else { throw CompressionError.alreadyCompressed(folder: model) }
        let loaded = try LoadedModel.load(model)
        guard let network = loaded.model as? any NetworkModel else { throw CompressionError.notNarrowable(model: model) }
        guard let calibration else {
            throw CompressionError.missingCalibration(reason: "what units are worth is measured on it")
        }
        // Refuse a destination that is taken before the work, not after.
        _ = try OutputFolder(
            destination: output, replacing: replacesOutput, requiredBytes: loaded.checkpoint.fileByteCount)
        let text = try CalibrationText.read(calibration, for: loaded, seed: seed, context: context, progress: progress)
        let made = try ModelRewriter(
            method: recipe.method, share: recipe.share, calibration: text.calibration, seed: seed, context: context,
            progress: progress
        ).run(network)
        let outcome = Outcome(
            recipe: recipe, calibration: text.origin, seed: seed, touched: made.touched,
            parameters: (network.allParameters, made.model.allParameters),
            blocks: (network.blockSizes, made.model.blockSizes),
            stream: (network.streamFeatures, made.model.isStreamCut ? made.model.streamWidths : []))
        let written = try Self.folder(
            of: made.model, from: folder, loaded, destination: output, replacing: replacesOutput)
        try written.write(extraFiles: [
            ("recipe.yaml", Array(recipe.text.utf8)),
            ("report.json", outcome.json.serialized(pretty: true) + [UInt8(ascii: "\n")]),
        ])
        return outcome
    }

    /// The folder of a model that was made of a folder's: what changed is written anew.
    /// - Throws: `CompressionError.notNarrowable`; as `RewrittenFolder`.
    package static func folder(
        of after: any NetworkModel, from folder: ModelFolder, _ loaded: LoadedModel, destination: String, replacing: Bool
    ) throws -> RewrittenFolder {
        guard let before = loaded.model as? any NetworkModel else {
            throw CompressionError.notNarrowable(model: folder.path)
        }
        var changed: Set<String> = []
        for (block, sizes) in after.blockSizes.enumerated() where sizes != before.blockSizes[block] {
            for matrix in BlockMatrix.allCases { changed.insert(after.siteName(block, matrix)) }
        }
        if after.isStreamCut { changed.formUnion(changedSites(before, after)) }
        let left = Set(after.sites.map(\.name))
        let matrices = after.sites.filter { changed.contains($0.name) }.map { ($0.name, after[site: $0.name]) }
        let vectors = after.vectorNames.compactMap { name -> (name: String, values: [Float])? in
            guard let values = after[vector: name], values != before[vector: name] else { return nil }
            return (name, values)
        }
        return try RewrittenFolder(
            source: folder, original: loaded, matrices: matrices, vectors: vectors,
            removed: before.sites.map(\.name).filter { !left.contains($0) },
            removedVectors: Set(before.vectorNames).subtracting(after.vectorNames),
            blocks: after.blockSizes == before.blockSizes ? nil : after.blockSizes,
            dropsMeans: hasLayerNorms(before) && !hasLayerNorms(after), stream: after.cutStream,
            untiesHead: before.isHeadTied && !after.isHeadTied, destination: destination, replacing: replacing)
    }

    /// Sites of a model whose stream was cut that are new or other than before.
    private static func changedSites(_ before: any NetworkModel, _ after: any NetworkModel) -> [String] {
        let known = Set(before.sites.map(\.name))
        return after.sites.map(\.name).filter { name in
            guard known.contains(name) else { return true }
            let (old, new) = (before[site: name], after[site: name])
            return old.shape != new.shape || old.dense() != new.dense()
        }
    }

    private static func hasLayerNorms(_ model: any NetworkModel) -> Bool { !model.coupling.normBiases.isEmpty }
}

extension RewriteJob.Outcome {
    package var json: JSONValue {
        var object = JSONObject()
        object["recipe"] = .string(recipe.name)
        object["share"] = .number(recipe.share)
        object["calibration"] = .string(calibration)
        object["seed"] = .string(String(seed))
        object["touched_parameters"] = [JSONValue(integer: touched.before), JSONValue(integer: touched.after)]
        object["parameters"] = [JSONValue(integer: parameters.before), JSONValue(integer: parameters.after)]
        object["blocks"] = .array(blocks.after.map(\.json))
        if !stream.widths.isEmpty {
            object["stream_features"] = JSONValue(integer: stream.features)
            object["stream_widths"] = .array(stream.widths.map { JSONValue(integer: $0) })
        }
        return .object(object)
    }

    /// One line for each block; ends with a newline.
    package var text: String {
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
        let what = recipe.method.cacheRanks == nil ? "touched parameters" : "numbers of a token in the cache"
        let sums =
            "\(recipe.name): \(recipe.title)\n\(what): \(FigureText.share(touched.after, of: touched.before)); "
            + "of the whole model: \(FigureText.share(parameters.after, of: parameters.before))"
        var notes: [String] = []
        if let last = stream.widths.last {
            notes.append("The stream had \(stream.features) features and ends with \(last). Skip matrices are counted.")
        }
        if recipe.method.cacheRanks != nil { notes.append("In parentheses what each key-value head keeps.") }
        if !notes.isEmpty { notes = ["", (notes + ["The folder opens only in Tessera."]).joined(separator: " ")] }
        return ([sums, ""] + table.lines + notes).joined(separator: "\n") + "\n"
    }
}
