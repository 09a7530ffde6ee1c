import Analysis
import Compression
import Transformers

extension EvalCommand {
    /// How far two models of images are apart on the images of a .npy file.
    func imageFidelity(_ loaded: LoadedModel, against: String, images: String) throws -> [QualityFigure] {
        var (loaded, reference) = (loaded, try ReadyModel.open(against, runtime, context: common.context).loaded)
        try loaded.take(images: images)
        try reference.take(images: images)
        return QualityFigure.all(
            of: try EncoderFidelity.measure(
                loaded.encoder.embed(loaded.imageSequences, context: common.context),
                reference: reference.encoder.embed(reference.imageSequences, context: common.context),
                context: common.context), what: "images")
    }
}
