import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// A model with what is known of some of its matrices: the moments of their inputs, their Fisher weights.
public struct CalibratedModel: Sendable {
    public let loaded: LoadedModel
    public let sites: [MatrixSite]
    /// What the moments are of, for reports; nil without calibration.
    public let origin: String?
    /// The sequences the moments are of.
    public let sequences: [[Int]]
    private let grams: [String: Gram]
    private let fisher: [String: FisherWeighting]

    /// Runs the model over all sequences of the calibration text, those held out elsewhere too; without calibration and
    /// Fisher weights the matrices have the Frobenius objective alone.
    /// - Throws: `CompressionError`, `FittingError`, `TransformersError`, `TensorError.fileNotReadable`.
    public init(
        _ loaded: LoadedModel, sites: [MatrixSite], calibration: CalibrationSource?, fisher: FisherArchive? = nil,
        seed: UInt64, context: ExecutionContext, progress: @escaping @Sendable (CompressionProgress) -> Void = { _ in }
    ) throws {
        self.loaded = loaded
        self.sites = sites
        var weightings: [String: FisherWeighting] = [:]
        if let fisher {
            for site in sites {
                let weighting = try fisher.weights(of: site.name, isOnly: false)
                try ObjectiveStatistics(fisher: weighting).check(site.shape, name: site.name)
                weightings[site.name] = weighting
            }
        }
        self.fisher = weightings
        guard let calibration else {
            (origin, sequences, grams) = (nil, [], [:])
            return
        }
        let text = try CalibrationText.read(
            calibration, for: loaded, seed: seed, widened: false, context: context, progress: progress)
        sequences = text.calibration + text.heldOut
        origin = text.origin
        grams = try Self.grams(loaded.model, sites, sequences, context, progress)
    }

    /// The same over sequences that were read already.
    /// - Throws: `CompressionError`, `FittingError`, `TransformersError`.
    init(
        _ loaded: LoadedModel, sites: [MatrixSite], sequences: [[Int]], context: ExecutionContext,
        progress: @escaping @Sendable (CompressionProgress) -> Void
    ) throws {
        (self.loaded, self.sites, self.sequences) = (loaded, sites, sequences)
        (origin, fisher) = (nil, [:])
        grams = try Self.grams(loaded.model, sites, sequences, context, progress)
    }

    private static func grams(
        _ model: any TransformerModel, _ sites: [MatrixSite], _ sequences: [[Int]], _ context: ExecutionContext,
        _ progress: @escaping @Sendable (CompressionProgress) -> Void
    ) throws -> [String: Gram] {
        let moments = try Calibration.collect(model, sites: sites, sequences: sequences, context: context) {
            progress(CompressionProgress(stage: "calibrating", done: $0, total: $1))
        }
        return try moments.moments.mapValues { try Gram($0) }
    }

    public func gram(of site: MatrixSite) -> Gram? { site.input.flatMap { grams[$0] } }

    /// The objective of a kind; nil where it needs statistics that are not here.
    /// - Throws: as `FisherWeighting.init`.
    public func objective(_ kind: Objective.Kind, of site: MatrixSite) throws -> Objective? {
        try statistics(of: site).objective(kind)
    }

    /// - Throws: `CompressionError.missingCalibration`, `.missingFisher` for statistics that are not here.
    func required(_ kind: Objective.Kind, of site: MatrixSite) throws -> Objective { try statistics(of: site).required(kind) }

    private func statistics(of site: MatrixSite) -> ObjectiveStatistics {
        ObjectiveStatistics(gram: gram(of: site), fisher: fisher[site.name])
    }

    /// - Throws: `CompressionError.notFinite`.
    public func weight(of site: MatrixSite) throws -> Matrix {
        let weight = loaded.model[site: site.name].dense()
        guard weight.isFinite else { throw CompressionError.notFinite(matrix: site.name, what: "the weight") }
        return weight
    }
}
