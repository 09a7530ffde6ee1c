import Fitting
import Foundation
import LinearAlgebra
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// The matrix that methods are compared on, and the objectives it can be judged by.
public struct ComparisonSubject: Sendable {
    public let name: String
    public let weight: Matrix
    private let statistics: ObjectiveStatistics
    /// What the moments are of, for reports.
    public let calibration: String?

    /// - Parameters:
    ///   - gram: moments of the inputs, where there is calibration.
    ///   - fisher: weights without moments, where there are gradients.
    /// - Throws: `CompressionError.notFinite`; `FittingError.fisherMismatch`, `.gramMismatch`.
    public init(
        name: String, weight: Matrix, gram: Gram? = nil, fisher: FisherWeighting? = nil, calibration: String? = nil
    ) throws {
        guard weight.isFinite else { throw CompressionError.notFinite(matrix: name, what: "the weight") }
        self.name = name
        self.weight = weight
        self.calibration = calibration
        statistics = ObjectiveStatistics(gram: gram, fisher: fisher)
        try statistics.check(shape, name: name)
    }

    public var shape: MatrixShape { MatrixShape(rows: weight.rows, columns: weight.columns) }

    /// The objective of a kind; nil where it needs statistics that are not here.
    /// - Throws: as `FisherWeighting.init`.
    public func objective(_ kind: Objective.Kind) throws -> Objective? { try statistics.objective(kind) }

    /// - Throws: `CompressionError.missingCalibration`, `.missingFisher` for statistics that are not here.
    func required(_ kind: Objective.Kind) throws -> Objective { try statistics.required(kind) }

    /// A linear matrix of a model, by its name with or without ".weight"; the first one for nil.
    /// - Throws: `CompressionError.unknownMatrix`, and what loading and calibrating throw.
    public init(
        model folder: String, matrix: String?, calibration: CalibrationSource?, fisher: FisherArchive? = nil, seed: UInt64,
        context: ExecutionContext, progress: @escaping @Sendable (CompressionProgress) -> Void = { _ in }
    ) throws {
        let loaded = try LoadedModel.load(folder)
        let suffix = ".weight"
        let name = matrix.map { $0.hasSuffix(suffix) ? String($0.dropLast(suffix.count)) : $0 }
        let sites = loaded.model.sites.filter { $0.role == .linear }
        guard let site = name == nil ? sites.first : sites.first(where: { $0.name == name }) else {
            throw CompressionError.unknownMatrix(folder: folder, matrix: name ?? "")
        }
        let calibrated = try CalibratedModel(
            loaded, sites: [site], calibration: calibration, seed: seed, context: context, progress: progress)
        try self.init(
            name: site.name, weight: loaded.model[site: site.name].dense(), gram: calibrated.gram(of: site),
            fisher: fisher?.weights(of: site.name, isOnly: true), calibration: calibrated.origin)
    }

    /// A NumPy file: FILE.npy, or FILE.npz:NAME (where an archive holds one array, FILE.npz).
    /// - Parameter inputs: the layer's inputs, a NumPy file too, samples x columns.
    /// - Throws: `ModelFileError`, `CompressionError`, `FittingError`.
    public init(numPy path: String, inputs: String?, fisher: FisherArchive? = nil) throws {
        let weight = try NumPyArray(argument: path).matrix
        let fisher = try fisher?.weights(of: path, isOnly: true)
        guard let inputs else {
            try self.init(name: path, weight: weight, fisher: fisher)
            return
        }
        let samples = try NumPyArray(argument: inputs).matrix
        guard samples.columns == weight.columns else {
            throw CompressionError.inputsMismatch(file: inputs, expected: weight.columns, got: samples.columns)
        }
        guard samples.isFinite else { throw CompressionError.notFinite(matrix: inputs, what: "the calibration input") }
        try self.init(
            name: path, weight: weight, gram: try Gram(inputs: samples.converted()), fisher: fisher,
            calibration: "\(samples.rows) inputs of \(URL(fileURLWithPath: inputs).lastPathComponent)")
    }

    /// Whether an argument names a NumPy file rather than a model.
    public static func isNumPy(_ argument: String) -> Bool {
        let path = FileArgument(argument).path
        return path.hasSuffix(".npy") || path.hasSuffix(".npz")
    }
}

/// PATH or PATH:NAME; a path that is there as it stands is taken whole.
public struct FileArgument: Sendable, Equatable {
    public let path: String
    public let name: String?

    public init(_ argument: String) {
        guard !FileManager.default.fileExists(atPath: argument), let colon = argument.lastIndex(of: ":"),
            colon != argument.startIndex
        else {
            (path, name) = (argument, nil)
            return
        }
        path = String(argument[..<colon])
        name = String(argument[argument.index(after: colon)...])
    }
}

extension NumPyArray {
    fileprivate init(argument: String) throws {
        let argument = FileArgument(argument)
        guard argument.path.hasSuffix(".npz") else {
            self = try NumPyArray(file: argument.path)
            return
        }
        let archive = try NumPyArchive(file: argument.path)
        if let name = argument.name {
            self = try archive.array(named: name)
        } else {
            guard archive.names.count == 1 else {
                throw CompressionError.arrayNotNamed(file: argument.path, names: archive.names)
            }
            self = try archive.array(named: archive.names[0])
        }
    }
}
