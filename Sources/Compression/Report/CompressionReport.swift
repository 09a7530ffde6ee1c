import ModelFiles
import StructuredMatrices

/// What a compression did, complete: the source of `report.json` and `report.html`.
///
/// Holds nothing that differs between two runs of the same recipe (no times, dates, thread counts: those go to
/// `timings.json`), so that a resumed run writes the same bytes.
public struct CompressionReport: Sendable, Equatable {
    /// One point of a family's error-against-size curve.
    public struct CurvePoint: Sendable, Equatable {
        public var label: String
        public var storedBytes: Int
        public var multiplyAdds: Int
        public var relativeError: Double

        public init(label: String, storedBytes: Int, multiplyAdds: Int, relativeError: Double) {
            self.label = label
            self.storedBytes = storedBytes
            self.multiplyAdds = multiplyAdds
            self.relativeError = relativeError
        }
    }

    /// One matrix: compressed as what, or left and why.
    public struct MatrixRow: Sendable, Equatable {
        public var name: String
        public var shape: MatrixShape
        /// "linear" or "embedding".
        public var role: String
        /// The chosen candidate's family; nil when left as it was.
        public var family: String?
        /// "low-rank rank=96".
        public var candidate: String?
        /// Why it was left; nil when it took part.
        public var reason: String?
        /// Cost as stored, whether compressed or left.
        public var cost: Cost
        /// Bytes in the source checkpoint.
        public var sourceBytes: Int
        /// Squared error relative to the weight's own size, under the objective, on the stored values.
        public var relativeError: Double
        /// Harm to the model's output for each unit of relative error, as measured by the probe.
        public var sensitivity: Double
        /// Singular values of the (whitened) weight relative to the largest, at most 64 evenly spaced of them.
        public var spectrum: [Double]
        /// Assessed candidates by family, in order of size.
        public var curves: [(family: String, points: [CurvePoint])]

        public init(
            name: String, shape: MatrixShape, role: String, family: String?, candidate: String?, reason: String?,
            cost: Cost, sourceBytes: Int, relativeError: Double, sensitivity: Double, spectrum: [Double],
            curves: [(family: String, points: [CurvePoint])]
        ) {
            self.name = name
            self.shape = shape
            self.role = role
            self.family = family
            self.candidate = candidate
            self.reason = reason
            self.cost = cost
            self.sourceBytes = sourceBytes
            self.relativeError = relativeError
            self.sensitivity = sensitivity
            self.spectrum = spectrum
            self.curves = curves
        }

        public static func == (left: Self, right: Self) -> Bool {
            left.json == right.json
        }
    }

    /// One figure before and after, on held-out calibration text.
    public struct QualityRow: Sendable, Equatable {
        public var name: String
        public var dense: Double?
        public var compressed: Double
        public var standardError: Double?

        public init(name: String, dense: Double?, compressed: Double, standardError: Double?) {
            self.name = name
            self.dense = dense
            self.compressed = compressed
            self.standardError = standardError
        }
    }

    public var modelName: String
    public var architecture: String
    /// Name and value, in the order to show: budget, scope, families, objective, precision, seed, calibration.
    public var recipe: [(name: String, value: String)]
    public var matrices: [MatrixRow]
    /// Tensors carried over unchanged (norms, biases ...): how many and their bytes.
    public var untouchedTensors: Int
    public var untouchedBytes: Int
    /// Sum over the matrices that took part, in f16, and as stored now.
    public var selectedBytesInF16: Int
    public var selectedBytes: Int
    public var selectedMultiplyAddsDense: Int
    public var selectedMultiplyAdds: Int
    /// Size of the weight files on disk, before and after.
    public var fileBytesBefore: Int
    public var fileBytesAfter: Int
    /// What the quality figures were measured on.
    public var qualityText: String
    public var quality: [QualityRow]
    /// What the allocator chose between and by how much it may miss the optimum.
    public var allocationNotes: [String]
    /// Of the text that fits were made and chosen on, so that no one measures on it unawares.
    public var calibrationFingerprints: CalibrationFingerprints?

    public init(
        modelName: String, architecture: String, recipe: [(name: String, value: String)], matrices: [MatrixRow],
        untouchedTensors: Int, untouchedBytes: Int, selectedBytesInF16: Int, selectedBytes: Int,
        selectedMultiplyAddsDense: Int, selectedMultiplyAdds: Int, fileBytesBefore: Int, fileBytesAfter: Int,
        qualityText: String, quality: [QualityRow], allocationNotes: [String],
        calibrationFingerprints: CalibrationFingerprints? = nil
    ) {
        self.modelName = modelName
        self.architecture = architecture
        self.recipe = recipe
        self.matrices = matrices
        self.untouchedTensors = untouchedTensors
        self.untouchedBytes = untouchedBytes
        self.selectedBytesInF16 = selectedBytesInF16
        self.selectedBytes = selectedBytes
        self.selectedMultiplyAddsDense = selectedMultiplyAddsDense
        self.selectedMultiplyAdds = selectedMultiplyAdds
        self.fileBytesBefore = fileBytesBefore
        self.fileBytesAfter = fileBytesAfter
        self.qualityText = qualityText
        self.quality = quality
        self.allocationNotes = allocationNotes
        self.calibrationFingerprints = calibrationFingerprints
    }

    public static func == (left: Self, right: Self) -> Bool { left.json == right.json }
}
