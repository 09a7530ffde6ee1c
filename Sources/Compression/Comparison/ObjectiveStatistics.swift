import Fitting
import StructuredMatrices

/// What is known of a matrix beside its weight, which objectives are made of.
struct ObjectiveStatistics: Sendable {
    /// Moments of the inputs, where there is calibration.
    var gram: Gram?
    /// Without moments.
    var fisher: FisherWeighting?

    /// The objective of a kind; nil where it needs statistics that are not here. Of both together H is made anew:
    /// columns^2 doubles.
    /// - Throws: as `FisherWeighting.init`.
    func objective(_ kind: Objective.Kind) throws -> Objective? {
        switch kind {
        case .frobenius: .frobenius
        case .activations: gram.map { .activations($0) }
        case .fisher: fisher.map { .fisher($0) }
        case .activationsAndFisher:
            if let gram, let fisher {
                try .fisher(rows: fisher.rows, columns: fisher.columns, activations: gram)
            } else {
                nil
            }
        }
    }

    /// - Throws: `CompressionError.missingCalibration`, `.missingFisher` for what the objective needs and is not here.
    func required(_ kind: Objective.Kind) throws -> Objective {
        if let objective = try objective(kind) { return objective }
        if kind.isFisher, fisher == nil { throw CompressionError.missingFisher(objective: kind.rawValue) }
        throw CompressionError.missingCalibration(reason: "the objective '\(kind.rawValue)' is made of it")
    }

    /// - Throws: `FittingError.fisherMismatch`, `.gramMismatch`.
    func check(_ shape: MatrixShape, name: String) throws {
        for kind in [Objective.Kind.activations, .fisher] { try objective(kind)?.check(shape, name: name) }
    }
}

extension Objective.Kind {
    /// Whether it is made of the moments of inputs.
    var isOfInputs: Bool { self == .activations || self == .activationsAndFisher }
    /// Whether it is made of Fisher weights.
    var isFisher: Bool { self == .fisher || self == .activationsAndFisher }
}
