import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// Writes a model folder with some of its matrices replaced: the compressed form of a model, or its dense form again.
///
/// `config.json` keeps every key it had; its `tessera` section lists the structured matrices. Dense matrices stay
/// under the ordinary `<name>.weight`, so a folder without structured ones is an ordinary Hugging Face folder; only where the
/// checkpoint keeps a matrix in a form of its own (`MatrixSite.stored`) a dense one is listed too, and matrices that shared
/// a tensor with it are carried over under their own names. Tensors that belong to no replaced matrix are carried over bit
/// for bit, but for matrices that the model does not use (`UnusedMatrices`).
public struct RewrittenFolder {
    private let source: ModelFolder
    private let checkpoint: Checkpoint
    /// With the matrices and vectors that shared a tensor with changed ones.
    private let changes: ModelChanges
    private let addedBiases: [String]
    /// Tensors of the source that no longer hold what they held.
    private let dropped: Set<String>
    /// Names of matrices that are listed though they are dense.
    private let listed: Set<String>
    private let unused: UnusedMatrices
    private let writer: SafetensorsWriter
    private let output: OutputFolder
    /// Tensors of the source that are carried over, some perhaps with other numbers: how many, and their bytes.
    public let untouchedTensors: Int
    public let untouchedBytes: Int

    /// Plans the folder and checks that it fits the disk.
    ///
    /// - Parameters:
    ///   - original: the model as it lies in the source folder.
    ///   - changes: vectors are stored as those of the source are, new ones in f32.
    ///   - unused: what becomes of matrices that the model does not use.
    /// - Throws: `ModelFileError` (destination exists, no space, unreadable source), `StructuredMatrixError`.
    public init(
        source: ModelFolder, original: LoadedModel, changes: ModelChanges, unused: UnusedMatrices = .carriedOver,
        destination: String, replacing: Bool
    ) throws {
        self.source = source
        self.unused = unused
        checkpoint = original.checkpoint
        let structured = Set(try source.configuration.structuredEntries()?.map(\.matrix) ?? [])
        let replaced = Set(changes.matrices.map(\.name) + changes.removed)
        let split = SplitTensors(original, structured: structured, touched: replaced, vectors: changes.vectors)
        var whole = changes
        whole.matrices += split.matrices
        whole.vectors += split.vectors
        self.changes = whole
        var dropped = split.dropped.union(changes.vectors.map(\.name)).union(changes.tensors.map(\.name))
            .union(changes.removedVectors)
        // A vector "<table>.<row>" stands for the one row of a table that was used.
        for (name, _) in changes.vectors {
            guard let dot = name.lastIndex(of: "."), Int(name[name.index(after: dot)...]) != nil else { continue }
            dropped.insert("\(name[..<dot]).weight")
        }
        if changes.dropsMeans, let model = original.model as? any NetworkModel {
            dropped.formUnion(model.coupling.normBiases)
        }
        self.dropped = dropped
        listed = split.listed
        let known = (original.model as? any NetworkModel)?.vectorNames ?? []
        addedBiases = changes.vectors.map(\.name).filter { $0.hasSuffix(".bias") && !known.contains($0) }
            .map { String($0.dropLast(".bias".count)) }

        var declarations: [SafetensorsWriter.Declaration] = []
        var (count, bytes) = (0, 0)
        for name in checkpoint.tensorNames {
            guard let entry = checkpoint.entry(named: name) else { continue }
            guard !dropped.contains(name), !Self.belongs(name, to: replaced, structured: structured) else { continue }
            declarations.append(.init(name: name, elementType: unused.elementType(of: entry), shape: entry.shape))
            count += 1
            bytes += unused.byteCount(of: entry)
        }
        for (name, matrix) in whole.matrices {
            for (factor, tensor) in try matrix.tensors {
                declarations.append(
                    .init(name: "\(name).\(factor)", elementType: tensor.elementType, shape: tensor.shape))
            }
        }
        for (name, values) in whole.vectors {
            declarations.append(
                .init(name: name, elementType: checkpoint.elementType(of: name, count: values.count), shape: [values.count]))
        }
        for (name, tensor) in whole.tensors {
            declarations.append(.init(name: name, elementType: tensor.elementType, shape: tensor.shape))
        }
        untouchedTensors = count + split.matrices.count + split.vectors.count
        untouchedBytes = bytes + split.matrices.reduce(0) { $0 + $1.matrix.cost.storedBytes }
            + split.vectors.reduce(0) { $0 + 4 * $1.values.count }
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

    /// Where the weight of a site that was not replaced lies in the folder.
    public func tensor(of site: MatrixSite) -> String {
        guard let stored = site.stored, !dropped.contains(stored.tensor) else { return "\(site.name).weight" }
        return stored.tensor
    }

    /// Size of the weight file to be.
    public var fileByteCount: Int { writer.fileByteCount }

    /// Writes everything and renames the folder into place; extra files (reports) come by name and content.
    /// - Throws: `ModelFileError`; nothing is left then.
    public func write(extraFiles: [(name: String, bytes: [UInt8])] = []) throws {
        var tensors = Dictionary(changes.tensors.map { ($0.name, $0.tensor) }, uniquingKeysWith: { $1 })
        for (name, matrix) in changes.matrices {
            for (factor, tensor) in try matrix.tensors { tensors["\(name).\(factor)"] = tensor }
        }
        for (name, values) in changes.vectors {
            tensors[name] = try Tensor(
                values, shape: [values.count], elementType: checkpoint.elementType(of: name, count: values.count))
        }
        try writer.write { try tensors[$0] ?? unused.carried(checkpoint.tensor(named: $0), named: $0) }
        try configuration().write(to: output.file(ModelFolder.configurationFileName))
        for (name, bytes) in extraFiles { try AtomicFile.write(bytes, to: output.file(name)) }
        try source.copyAuxiliaryFiles(to: output.path)
        try output.commit()
    }

    private func configuration() throws -> ModelConfiguration {
        var configuration = source.configuration
        let before = try configuration.structuredEntries() ?? []
        let replaced = Set(changes.matrices.map(\.name))
        configuration.setStructuredEntries(
            before.filter { !replaced.contains($0.matrix) }
                + changes.matrices.filter { $0.matrix.family != Dense.family || listed.contains($0.name) }.map { name, matrix in
                    (name, StructuredEntry(MatrixDescription(matrix)))
                })
        if let blocks = changes.blocks { configuration.setBlockSizes(blocks) }
        if changes.dropsMeans { configuration.setDropsMeans(true) }
        if let stream = changes.stream { configuration.setCutStream(stream) }
        if changes.untiesHead { configuration.root["tie_word_embeddings"] = .bool(false) }
        let known = try configuration.addedBiases()
        let left = known.filter { !changes.removedVectors.contains("\($0).bias") }
        let added = addedBiases.filter { !left.contains($0) }
        if left.count < known.count || !added.isEmpty { configuration.setAddedBiases(left + added) }
        return configuration
    }
}

/// What happens to tensors that hold a matrix in a form of their own, or several matrices, when some of these are replaced.
private struct SplitTensors {
    /// The others of a tensor that is split, and the biases of all of them.
    var matrices: [(name: String, matrix: any StructuredMatrix)] = []
    var vectors: [(name: String, values: [Float])] = []
    var dropped: Set<String> = []
    var listed: Set<String> = []

    /// - Parameters:
    ///   - structured: matrices that the source lists already, each under its own name.
    ///   - touched: matrices that are replaced.
    ///   - vectors: those that are replaced.
    init(
        _ original: LoadedModel, structured: Set<String>, touched: Set<String>, vectors: [(name: String, values: [Float])]
    ) {
        let replacedVectors = Set(vectors.map(\.name))
        let sites = original.model.sites
        func isTouched(_ site: MatrixSite) -> Bool {
            touched.contains(site.name) || (site.stored?.outputs != nil && replacedVectors.contains("\(site.name).bias"))
        }
        listed = Set(sites.filter { $0.stored != nil && structured.contains($0.name) }.map(\.name))
        for site in sites where isTouched(site) && !structured.contains(site.name) {
            guard let stored = site.stored else { continue }
            listed.insert(site.name)
            // Once for all that share the tensor.
            guard dropped.insert(stored.tensor).inserted, stored.outputs != nil else { continue }
            dropped.insert(stored.tensor.dropLast("weight".count) + "bias")
            for other in sites where other.stored?.tensor == stored.tensor {
                listed.insert(other.name)
                if !touched.contains(other.name) { matrices.append((other.name, original.model[site: other.name])) }
                let name = "\(other.name).bias"
                if !replacedVectors.contains(name), let bias = (original.model as? any NetworkModel)?[vector: name] {
                    self.vectors.append((name, bias))
                }
            }
        }
    }
}

extension Checkpoint {
    /// How a vector of that name is stored: as this checkpoint has it, or in f32 where it is new or of another length.
    fileprivate func elementType(of tensor: String, count: Int) -> ElementType {
        guard let entry = entry(named: tensor), entry.shape == [count], entry.elementType.isFloatingPoint else { return .f32 }
        return entry.elementType
    }

    /// Numbers as a tensor of this checkpoint would hold them; as they are where there is none of that name.
    /// - Throws: `TensorError`.
    func rounded(_ values: [Float], as tensor: String) throws -> [Float] {
        guard let type = entry(named: tensor)?.elementType else { return values }
        return try Tensor(values, shape: [values.count], elementType: type).floats()
    }
}
