import Analysis
import ArgumentParser
import Compression
import ModelFiles
import Tensors
import Transformers

struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Measures a model by itself, or how far it is from another.",
        discussion: """
            --text alone: perplexity and bits per byte of a causal model. --sts: Spearman correlation x 100 of an \
            encoder's cosine similarities with human scores. --against with --text: causal models, Kullback-Leibler \
            divergence in nats and top-1 agreement; encoders, mean cosine and the share of the ten nearest neighbours \
            that both agree on. Each with its standard error.

            For encoders a text has one sentence per line, for causal models it is read whole; for models of images it is a \
            .npy file of images x channels x height x width.

            Example:
              tessera eval SMALL --against MODEL --text sentences.txt
            """)

    @Argument(help: "Model folder.")
    var model: String

    @Option(help: ArgumentHelp("Text to measure on; - for standard input.", valueName: "file"))
    var text: String?

    @Option(help: ArgumentHelp("Rows of sentence,sentence,score.", valueName: "file"))
    var sts: String?

    @Option(help: ArgumentHelp("Model folder to compare with, usually the original.", valueName: "folder"))
    var against: String?

    @Option(help: ArgumentHelp("Causal models: tokens in a window (default: the model's positions, at most \(longestDefaultWindow)).", valueName: "n"))
    var window: Int?

    @OptionGroup var runtime: RuntimeOptions
    @OptionGroup var common: CommonOptions

    private static let longestDefaultWindow = 2048

    func validate() throws {
        switch (text, sts, against) {
        case (nil, nil, _): throw ValidationError("eval: expected --text FILE or --sts FILE")
        case (_?, _?, _): throw ValidationError("eval: --text and --sts exclude each other")
        case (nil, _?, _?): throw ValidationError("eval: --against is measured on --text FILE, not on --sts")
        default: break
        }
        if sts != nil, window != nil { throw ValidationError("--window: is for causal models and --text") }
    }

    func run() throws {
        let loaded = try ReadyModel.open(model, runtime, context: common.context).loaded
        let figures: [EvaluationFigure]
        if let sts {
            figures = try similarity(loaded, file: sts)
        } else if let text, let against {
            figures = loaded.model is any EncoderModel
                ? try encoderFidelity(loaded, against: against, text: text)
                : try causalFidelity(loaded, against: against, text: text)
        } else if let text {
            figures = try perplexity(loaded, text: text)
        } else {
            figures = []
        }
        if common.json {
            var object = JSONObject()
            object["model"] = .string(model)
            object["against"] = against.map { .string($0) }
            object["file"] = (text ?? sts).map { .string($0) }
            object["figures"] = EvaluationFigure.document(figures)
            try StandardOutput.write(.object(object))
        } else {
            try StandardOutput.write(EvaluationFigure.text(figures))
        }
    }

    private func perplexity(_ loaded: LoadedModel, text: String) throws -> [EvaluationFigure] {
        guard let causal = loaded.model as? any CausalModel else {
            throw CommandError.wrongKind(
                command: "eval --text", model: model,
                expected: "a causal language model (encoders: --sts FILE, or --against FOLDER)", got: loaded.kind)
        }
        let text = try TextFile.whole(text)
        let measured = try withProgress("perplexity") { progress in
            try loaded.perplexity(text, windowSize: windowSize(causal), context: common.context, progress: progress)
        }
        let on = "\(FigureText.grouped(measured.scoredTokens)) tokens in windows of \(measured.windowSize)"
        var figures = [
            EvaluationFigure(
                name: "perplexity", key: "perplexity", value: measured.perplexity,
                standardError: measured.perplexityStandardError, measuredOn: on)
        ]
        if let bits = measured.bitsPerByte, let bytes = measured.scoredBytes {
            figures.append(
                EvaluationFigure(
                    name: "bits per byte", key: "bits_per_byte", value: bits,
                    standardError: bits / measured.negativeLogLikelihood * measured.standardError,
                    measuredOn: "the \(FigureText.grouped(bytes)) bytes of these tokens"))
        }
        return figures
    }

    private func causalFidelity(_ loaded: LoadedModel, against: String, text: String) throws -> [EvaluationFigure] {
        let reference = try ReadyModel.open(against, runtime, context: common.context).loaded
        let (causal, other) = (
            try loaded.causal(for: "eval --against"), try reference.causal(for: "eval against a causal language model")
        )
        let text = try TextFile.whole(text)
        let measured = try withProgress("comparing") { progress in
            try loaded.causalFidelity(
                to: reference, text: text, windowSize: min(windowSize(causal), windowSize(other)),
                context: common.context, progress: progress)
        }
        let on = "\(FigureText.grouped(measured.tokens)) tokens in windows of \(measured.windowSize)"
        func figure(_ name: String, _ key: String, _ value: Double, _ error: Double?) -> EvaluationFigure {
            EvaluationFigure(name: name, key: key, value: value, standardError: error, measuredOn: on)
        }
        return [
            figure("KL, mean", "kl_mean", measured.meanDivergence, measured.meanDivergenceStandardError),
            figure("KL, median", "kl_median", measured.medianDivergence, nil),
            figure("KL, 99 %", "kl_99", measured.quantile99Divergence, nil),
            figure(
                "top-1 agreement", "top_1_agreement", measured.topOneAgreement, measured.topOneAgreementStandardError),
        ]
    }

    private func encoderFidelity(_ loaded: LoadedModel, against: String, text: String) throws -> [EvaluationFigure] {
        if loaded.model is any ImageModel { return try imageFidelity(loaded, against: against, images: text) }
        if window != nil { throw CommandError.conflictingOptions("--window: is for causal models, \(model) is an encoder") }
        let reference = try ReadyModel.open(against, runtime, context: common.context).loaded
        _ = try reference.encoder(for: "eval against an encoder")
        let sentences = try TextFile.sentences(text)
        let measured = try withProgress("comparing") { progress in
            try loaded.encoderFidelity(to: reference, sentences: sentences, context: common.context, progress: progress)
        }
        let on = "\(FigureText.grouped(measured.sentences)) distinct sentences"
        return [
            EvaluationFigure(
                name: "mean cosine", key: "mean_cosine", value: measured.meanCosine,
                standardError: measured.meanCosineStandardError, measuredOn: on),
            EvaluationFigure(
                name: "overlap@\(measured.neighbours)", key: "overlap", value: measured.overlap,
                standardError: measured.overlapStandardError, measuredOn: on),
        ]
    }

    private func similarity(_ loaded: LoadedModel, file: String) throws -> [EvaluationFigure] {
        _ = try loaded.encoder(for: "eval --sts")
        let pairs = try SentencePair.read(csv: file)
        let measured = try withProgress("embedding") { progress in
            try loaded.similarity(pairs, context: common.context, progress: progress)
        }
        return [
            EvaluationFigure(
                name: "STS, Spearman x 100", key: "sts_spearman_100", value: measured.spearman,
                standardError: measured.standardError,
                measuredOn: "\(FigureText.grouped(measured.pairs)) pairs of \(FigureText.grouped(measured.distinctSentences)) sentences")
        ]
    }

    private func windowSize(_ causal: any CausalModel) -> Int {
        window ?? min(causal.maximumPositions, Self.longestDefaultWindow)
    }

    private func withProgress<Value>(_ stage: String, _ body: (@escaping MeasurementProgress) throws -> Value) rethrows -> Value {
        let display = ProgressDisplay(quiet: common.quiet)
        let value = try body { display(CompressionProgress(stage: stage, done: $0, total: $1)) }
        _ = display.finish()
        return value
    }
}
