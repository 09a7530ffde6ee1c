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
    private let writer: SafetensorsWriter
    private let output: OutputFolder
    /// Tensors of the source that are carried over: how many, and their bytes.
    public let untouchedTensors: Int
    public let untouchedBytes: Int

    /// Plans the folder and checks that it fits the disk.
    ///
    /// - Parameter matrices: the replacements, by the weight's name without ".weight".
    /// - Throws: `ModelFileError` (destination exists, no space, unreadable source), `StructuredMatrixError`.
    public init(
        source: ModelFolder, checkpoint: Checkpoint, matrices: [(name: String, matrix: any StructuredMatrix)],
        destination: String, replacing: Bool
    ) throws {
        self.source = source
        self.checkpoint = checkpoint
        self.matrices = matrices
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
        try writer.write { try tensors[$0] ?? checkpoint.tensor(named: $0) }
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
