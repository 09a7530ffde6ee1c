import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// A model with the moments of the inputs of some of its matrices.
public struct CalibratedModel: Sendable {
    public let loaded: LoadedModel
    public let sites: [MatrixSite]
    /// What the moments are of, for reports; nil without calibration.
    public let origin: String?
    /// The sequences the moments are of.
    public let sequences: [[Int]]
    private let grams: [String: Gram]

    /// Runs the model over all sequences of the calibration text, those held out elsewhere too; without calibration the
    /// matrices have the Frobenius objective alone.
    /// - Throws: `CompressionError`, `FittingError`, `TransformersError`, `TensorError.fileNotReadable`.
    public init(
        _ loaded: LoadedModel, sites: [MatrixSite], calibration: CalibrationSource?, seed: UInt64,
        context: ExecutionContext, progress: @escaping @Sendable (CompressionProgress) -> Void = { _ in }
    ) throws {
        self.loaded = loaded
        self.sites = sites
        guard let calibration else {
            (origin, sequences, grams) = (nil, [], [:])
            return
        }
        let text = try CalibrationText.read(
            calibration, for: loaded, seed: seed, widened: false, context: context, progress: progress)
        sequences = text.calibration + text.heldOut
        origin = text.origin
        let moments = try Calibration.collect(loaded.model, sites: sites, sequences: sequences, context: context) {
            progress(CompressionProgress(stage: "calibrating", done: $0, total: $1))
        }
        grams = try moments.moments.mapValues { try Gram($0) }
    }

    public func gram(of site: MatrixSite) -> Gram? { site.input.flatMap { grams[$0] } }

    /// The objective of a kind; nil where it needs statistics that are not here.
    public func objective(_ kind: Objective.Kind, of site: MatrixSite) -> Objective? {
        if kind == .frobenius { return .frobenius }
        return kind == .activations ? gram(of: site).map { .activations($0) } : nil
    }

    /// - Throws: `CompressionError.notFinite`.
    public func weight(of site: MatrixSite) throws -> Matrix {
        let weight = loaded.model[site: site.name].dense()
        guard weight.isFinite else { throw CompressionError.notFinite(matrix: site.name, what: "the weight") }
        return weight
    }
}
