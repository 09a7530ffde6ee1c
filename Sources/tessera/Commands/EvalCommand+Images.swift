import Analysis
import Compression
import Transformers

extension EvalCommand {
    /// How far two models of images are apart on the images of a .npy file.
    func imageFidelity(_ loaded: LoadedModel, against: String, images: String) throws -> [QualityFigure] {
        var (loaded, reference) = (loaded, try ReadyModel.open(against, runtime, context: common.context).loaded)
        try loaded.take(images: images)
        try reference.take(images: images)
        let measured = try EncoderFidelity.measure(
            loaded.encoder.embed(loaded.imageSequences, context: common.context),
            reference: reference.encoder.embed(reference.imageSequences, context: common.context),
            context: common.context)
        let on = "\(FigureText.grouped(measured.sentences)) images"
        return [
            QualityFigure(
                name: "mean cosine", key: "mean_cosine", value: measured.meanCosine,
                standardError: measured.meanCosineStandardError, measuredOn: on),
            QualityFigure(
                name: "overlap@\(measured.neighbours)", key: "overlap", value: measured.overlap,
                standardError: measured.overlapStandardError, measuredOn: on),
        ]
    }
}
