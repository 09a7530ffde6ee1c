import Analysis
import ArgumentParser
import Compression
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Measures a model by itself, or how far it is from another.",
        discussion: """
            --text alone: perplexity and bits per byte of a causal model. --sts: Spearman correlation x 100 of an \
            encoder's cosine similarities with human scores. --against with --text: causal models, perplexity of both, \
            Kullback-Leibler divergence in nats (mean, and what 50, 95 and 99 % of the tokens stay below) and top-1 agreement; \
            encoders, mean cosine and the share of the ten nearest neighbours that both agree on, with --sts the correlation \
            too. Each with its standard error; those of quantiles by drawing whole windows anew (bootstrap).

            For encoders a text has one sentence per line, for causal models it is read whole and cut into windows, whose \
            length is said: perplexities of other lengths do not compare. For models of images it is a .npy file of images x \
            channels x height x width.

            A compressed model's report knows its calibration text by hashes. A text of which more than 1 % is among it is \
            refused. --control measures the simplest models of the same size beside it: round to nearest, uniform SVD.

            Example:
              tessera eval SMALL --against MODEL --text sentences.txt
              tessera eval SMALL --against MODEL --sts pairs.csv --control
            """)

    @Argument(help: "Model folder.")
    var model: String

    @OptionGroup var evaluation: EvaluationOptions

    @Option(help: ArgumentHelp("Model folder to compare with, usually the original.", valueName: "folder"))
    var against: String?

    @Flag(help: "Measure models of the same size made from --against by the simplest means, too.")
    var control = false

    @OptionGroup var runtime: RuntimeOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        if evaluation.text == nil, evaluation.sts == nil {
            throw ValidationError("eval: expected --text FILE or --sts FILE")
        }
        if control, against == nil { throw ValidationError("--control: is made from the original, named by --against") }
    }

    /// A control, or why there is none.
    private struct Control {
        let method: ControlMethod
        var form = ""
        var bytes = 0
        var figures: [QualityFigure] = []
        var error: String?
    }

    func run() throws {
        let loaded = try LoadedModel.open(model)
        // Told before the text is read, so that a wrong kind is not taken for a wrong text.
        if evaluation.text != nil, against == nil, !(loaded.model is any CausalModel) {
            throw CommandError.wrongKind(
                command: "eval --text", model: model,
                expected: "a causal language model (encoders: --sts FILE, or --against FOLDER)", got: loaded.kind)
        }
        if loaded.model is any ImageModel, let against, let images = evaluation.text {
            let figures = try imageFidelity(loaded, against: against, images: images)
            return try common.json
                ? StandardOutput.write(document(figures, [], [], nil)) : StandardOutput.write(report(figures, [], [], nil))
        }
        guard let text = try evaluation.read(for: loaded, command: "eval") else { return }
        let overlap = try checkedOverlap(loaded, text)
        var figures: [QualityFigure] = []
        var original: [QualityFigure] = []
        var controls: [Control] = []
        if let against {
            let reference = try open(against, like: loaded)
            let judge = try withProgress("the original") { progress in
                try QualityJudge(
                    reference, text.cut(to: [loaded, reference]), options: runtime.preparation, context: common.context,
                    progress: progress)
            }
            original = judge.original
            figures = try withProgress("comparing") { progress in
                try judge.figures(of: loaded.model, context: common.context, progress: progress)
            }
            if control { controls = try makeControls(loaded, reference, judge) }
        } else {
            figures = try byItself(loaded, text)
        }
        try common.json
            ? StandardOutput.write(document(figures, original, controls, overlap))
            : StandardOutput.write(report(figures, original, controls, overlap))
    }

    private func open(_ against: String, like loaded: LoadedModel) throws -> LoadedModel {
        let reference = try LoadedModel.open(against)
        if loaded.model is any EncoderModel {
            _ = try reference.encoder(for: "eval against an encoder")
        } else {
            _ = try reference.causal(for: "eval against a causal language model")
        }
        return reference
    }

    /// How much of the text the model was calibrated on; nil where its folder does not say.
    /// - Throws: `CompressionError.textsOverlap`.
    private func checkedOverlap(_ loaded: LoadedModel, _ text: EvaluationText) throws -> CalibrationFingerprints.Overlap? {
        guard let seen = CalibrationFingerprints.read(folder: try ModelFolder(path: model)) else { return nil }
        let overlap = seen.overlap(with: text.tokens(of: loaded))
        if overlap.isTooLarge, !evaluation.allowOverlap {
            throw CompressionError.textsOverlap(file: text.name, overlap: overlap.text)
        }
        return overlap
    }

    // MARK: - Figures

    private func byItself(_ loaded: LoadedModel, _ text: EvaluationText) throws -> [QualityFigure] {
        guard case .prose(let words, let window, _) = text else {
            return try withProgress("embedding") { progress in
                try QualityJudge(loaded, text, options: runtime.preparation, context: common.context, progress: progress).original
            }
        }
        var loaded = loaded
        loaded.model.prepare(runtime.preparation, context: common.context)
        let size = window ?? min(loaded.model.maximumPositions, EvaluationText.longestDefaultWindow)
        let measured = try withProgress("perplexity") { progress in
            try loaded.perplexity(words, windowSize: size, context: common.context, progress: progress)
        }
        var figures = [
            QualityFigure(
                name: "perplexity", key: "perplexity", value: measured.perplexity,
                standardError: measured.perplexityStandardError,
                measuredOn: "\(FigureText.grouped(measured.scoredTokens)) tokens in windows of \(measured.windowSize)")
        ]
        if let bits = measured.bitsPerByte, let bytes = measured.scoredBytes {
            figures.append(
                QualityFigure(
                    name: "bits per byte", key: "bits_per_byte", value: bits,
                    standardError: bits / measured.negativeLogLikelihood * measured.standardError,
                    measuredOn: "the \(FigureText.grouped(bytes)) bytes of these tokens"))
        }
        return figures
    }

    /// The simplest models of the same size, from the matrices in which the two models differ.
    private func makeControls(_ loaded: LoadedModel, _ reference: LoadedModel, _ judge: QualityJudge) throws -> [Control] {
        let sites = reference.model.sites.filter {
            loaded.model[site: $0.name].cost != reference.model[site: $0.name].cost
        }
        guard !sites.isEmpty else {
            throw CommandError.conflictingOptions("--control: no matrix of \(model) has another size than in \(against ?? "")")
        }
        let bytes = sites.reduce(0) { $0 + loaded.model[site: $1.name].cost.storedBytes }
        return try ControlMethod.allCases.map { method in
            var control = Control(method: method)
            do {
                let made = try withProgress("control: \(method.rawValue)") { progress in
                    try method.replace(
                        sites, in: reference.model, bytes: bytes, precision: .f16, context: common.context, progress: progress)
                }
                control.form = made.form
                control.bytes = made.cost.storedBytes
                control.figures = try withProgress("comparing the control") { progress in
                    try judge.figures(of: made.model, context: common.context, progress: progress)
                }
            } catch CompressionError.budgetTooSmall(let quantity, let budget, let smallest) {
                control.error = "\(CompressionError.budgetTooSmall(quantity: quantity, budget: budget, smallest: smallest))"
            }
            return control
        }
    }

    // MARK: - Output

    private func report(
        _ figures: [QualityFigure], _ original: [QualityFigure], _ controls: [Control],
        _ overlap: CalibrationFingerprints.Overlap?
    ) -> String {
        var lines = QualityFigure.text(figures)
        if !original.isEmpty { lines += "\nthe original\n" + QualityFigure.text(original) }
        for control in controls {
            lines += "\ncontrol: \(control.method.rawValue)"
            lines += control.error.map { ": \($0)\n" }
                ?? " (\(control.form), \(FigureText.grouped(control.bytes)) bytes)\n" + QualityFigure.text(control.figures)
        }
        if let overlap, overlap.shared > 0 { lines += "\nnote: \(overlap.text)\n" }
        return lines
    }

    private func document(
        _ figures: [QualityFigure], _ original: [QualityFigure], _ controls: [Control],
        _ overlap: CalibrationFingerprints.Overlap?
    ) -> JSONValue {
        var object = JSONObject()
        object["model"] = .string(model)
        object["against"] = against.map { .string($0) }
        object["file"] = (evaluation.text ?? evaluation.sts).map { .string($0) }
        object["figures"] = QualityFigure.document(figures)
        if against != nil { object["original"] = QualityFigure.document(original) }
        if control {
            object["controls"] = .array(
                controls.map { control in
                    var member = JSONObject()
                    member["method"] = .string(control.method.rawValue)
                    if let error = control.error {
                        member["error"] = .string(error)
                    } else {
                        member["form"] = .string(control.form)
                        member["bytes"] = JSONValue(control.bytes)
                        member["figures"] = QualityFigure.document(control.figures)
                    }
                    return .object(member)
                })
        }
        object["calibration_overlap"] = overlap.map {
            ["shared": JSONValue($0.shared), "of": JSONValue($0.total), "pieces": .string($0.piece.rawValue)]
        }
        return .object(object)
    }

    private func withProgress<Value>(_ stage: String, _ body: (@escaping MeasurementProgress) throws -> Value) rethrows -> Value {
        let display = ProgressDisplay(quiet: common.quiet)
        let value = try body { display(CompressionProgress(stage: stage, done: $0, total: $1)) }
        _ = display.finish()
        return value
    }
}

extension EvaluationText {
    /// The same with windows that all the models have positions for, unless a length was asked for.
    fileprivate func cut(to models: [LoadedModel]) -> EvaluationText {
        guard case .prose(let words, nil, let name) = self else { return self }
        let shortest = models.map(\.model.maximumPositions).min() ?? Self.longestDefaultWindow
        return .prose(words, window: min(shortest, Self.longestDefaultWindow), name: name)
    }
}
