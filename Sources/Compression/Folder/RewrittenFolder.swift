import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// Writes a model folder with some of its matrices replaced: the compressed form of a model, or its dense form again.
///
/// `config.json` keeps every key it had; its `tessera` section lists the structured matrices. Dense matrices stay
/// under the ordinary `<name>.weight`, so a folder without structured ones is an ordinary Hugging Face folder.
/// Tensors that belong to no replaced matrix are carried over bit for bit.
public struct RewrittenFolder {
    private let source: ModelFolder
    private let checkpoint: Checkpoint
    private let matrices: [(name: String, matrix: any StructuredMatrix)]
    private let vectors: [String: [Float]]
    private let writer: SafetensorsWriter
    private let output: OutputFolder
    /// Tensors of the source that are carried over, some perhaps with other numbers: how many, and their bytes.
    public let untouchedTensors: Int
    public let untouchedBytes: Int

    /// Plans the folder and checks that it fits the disk.
    ///
    /// - Parameters:
    ///   - matrices: the replacements, by the weight's name without ".weight".
    ///   - vectors: other numbers for tensors that are carried over (biases, norms), stored as those are; others are ignored.
    /// - Throws: `ModelFileError` (destination exists, no space, unreadable source), `StructuredMatrixError`.
    public init(
        source: ModelFolder, checkpoint: Checkpoint, matrices: [(name: String, matrix: any StructuredMatrix)],
        vectors: [String: [Float]] = [:],
        destination: String, replacing: Bool
    ) throws {
        self.source = source
        self.checkpoint = checkpoint
        self.matrices = matrices
        self.vectors = vectors
        let replaced = Set(matrices.map(\.name))
        let structured = Set(try source.configuration.structuredEntries()?.map(\.matrix) ?? [])
        var declarations: [SafetensorsWriter.Declaration] = []
        var (count, bytes) = (0, 0)
        for name in checkpoint.tensorNames {
            guard let entry = checkpoint.entry(named: name) else { continue }
            guard !Self.belongs(name, to: replaced, structured: structured) else { continue }
            declarations.append(.init(name: name, elementType: entry.elementType, shape: entry.shape))
            count += 1
            bytes += entry.byteCount
        }
        for (name, matrix) in matrices {
            for (factor, tensor) in try matrix.tensors {
                declarations.append(
                    .init(name: "\(name).\(factor)", elementType: tensor.elementType, shape: tensor.shape))
            }
        }
        untouchedTensors = count
        untouchedBytes = bytes
        let auxiliaryBytes = try source.auxiliaryFiles().reduce(0) { $0 + $1.byteCount }
        let probe = try SafetensorsWriter(file: Checkpoint.singleFileName, tensors: declarations)
        output = try OutputFolder(
            destination: destination, replacing: replacing, requiredBytes: probe.fileByteCount + auxiliaryBytes + (1 << 20))
        writer = try SafetensorsWriter(file: output.file(Checkpoint.singleFileName), tensors: declarations)
    }

    /// Whether a tensor of the source is the weight, or a factor, of a replaced matrix.
    private static func belongs(_ tensor: String, to replaced: Set<String>, structured: Set<String>) -> Bool {
        // The factors of a composed matrix's parts have more than one name behind that of the matrix.
        for dot in tensor.indices where tensor[dot] == "." {
            let matrix = String(tensor[..<dot])
            guard replaced.contains(matrix) else { continue }
            let factor = tensor[tensor.index(after: dot)...]
            // A structured layer's bias shares the prefix and stays.
            if factor == "weight" || (structured.contains(matrix) && factor != "bias") { return true }
        }
        return false
    }

    /// Size of the weight file to be.
    public var fileByteCount: Int { writer.fileByteCount }

    /// Writes everything and renames the folder into place; extra files (reports) come by name and content.
    /// - Throws: `ModelFileError`; nothing is left then.
    public func write(extraFiles: [(name: String, bytes: [UInt8])] = []) throws {
        var tensors: [String: Tensor] = [:]
        for (name, matrix) in matrices {
            for (factor, tensor) in try matrix.tensors { tensors["\(name).\(factor)"] = tensor }
        }
        try writer.write { name in
            if let tensor = tensors[name] { return tensor }
            guard let values = vectors[name], let entry = checkpoint.entry(named: name) else {
                return try checkpoint.tensor(named: name)
            }
            return try Tensor(values, shape: entry.shape, elementType: entry.elementType)
        }
        var configuration = source.configuration
        let before = try configuration.structuredEntries() ?? []
        let replaced = Set(matrices.map(\.name))
        configuration.setStructuredEntries(
            before.filter { !replaced.contains($0.matrix) }
                + matrices.filter { $0.matrix.family != Dense.family }.map { name, matrix in
                    (name, StructuredEntry(MatrixDescription(matrix)))
                })
        try configuration.write(to: output.file(ModelFolder.configurationFileName))
        for (name, bytes) in extraFiles { try AtomicFile.write(bytes, to: output.file(name)) }
        try source.copyAuxiliaryFiles(to: output.path)
        try output.commit()
    }
}

extension Checkpoint {
    /// Numbers as a tensor of this checkpoint would hold them; as they are where there is none of that name.
    /// - Throws: `TensorError`.
    func rounded(_ values: [Float], as tensor: String) throws -> [Float] {
        guard let type = entry(named: tensor)?.elementType else { return values }
        return try Tensor(values, shape: [values.count], elementType: type).floats()
    }
}
