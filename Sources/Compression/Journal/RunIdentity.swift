import LinearAlgebra
import ModelFiles
import Tensors
import Transformers

/// What a run was started on: all that its bytes depend on. A journal is continued only where every part is equal.
enum RunIdentity {
    /// Names and values.
    /// - Parameters:
    ///   - text: a fingerprint of the sequences calibrated on; "" without calibration.
    ///   - images: the file of images that the sequences stand for.
    ///   - choices: everything else.
    /// - Throws: `TensorError.fileNotReadable`.
    static func of(
        _ loaded: LoadedModel, _ folder: ModelFolder, text: String, images: CalibrationSource?, choices: Fingerprint
    ) throws -> [(name: String, value: String)] {
        var weights = Fingerprint()
        for shard in loaded.checkpoint.shards { try weights.add(fileAt: shard.file) }
        try weights.add(fileAt: folder.file(ModelFolder.configurationFileName))
        var sequences = Fingerprint()
        sequences.add(text)
        // Sequences of images name their patches, not what these show.
        if !loaded.imageSequences.isEmpty, case .file(let images)? = images { try sequences.add(fileAt: images) }
        return [
            ("format", "5"), ("model", weights.text), ("calibration text", sequences.text), ("recipe or seed", choices.text),
            // Other kernels round otherwise: what they continued would not be what either of them makes.
            ("linear algebra library", LinearAlgebraLibrary.description),
            ("kernels", String(cString: Kernels.best.name)),
        ]
    }
}
