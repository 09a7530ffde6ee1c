import ModelFiles
import StructuredMatrices
import Tensors

/// The matrices of a model of unknown architecture: they can be looked at and replaced, and nothing can be run.
///
/// Every `<name>.weight` of two dimensions in floating point counts as a linear layer's, unless its name says that it is a
/// table of embeddings; and every matrix that `config.json` lists as structured.
public struct PlainModel: TransformerModel {
    public var architecture: String { "unknown" }

    public let sites: [MatrixSite]
    private var matrices: [String: any StructuredMatrix]

    /// - Throws: `ModelFileError`, `StructuredMatrixError`.
    init(_ checkpoint: Checkpoint, structures: [(matrix: String, entry: StructuredEntry)], tensors: ModelTensors) throws {
        var (sites, matrices): ([MatrixSite], [String: any StructuredMatrix]) = ([], [:])
        func add(_ name: String, rows: Int, columns: Int) throws {
            let isTable = name.lowercased().split(separator: ".").contains { part in
                part.contains("embed") || part == "wte" || part == "wpe"
            }
            sites.append(
                MatrixSite(
                    name: name, shape: MatrixShape(rows: rows, columns: columns), role: isTable ? .embedding : .linear,
                    input: nil))
            matrices[name] = try tensors.matrix(name, rows: rows, columns: columns)
        }
        let suffix = ".weight"
        for name in checkpoint.tensorNames where name.hasSuffix(suffix) && name.count > suffix.count {
            guard let entry = checkpoint.entry(named: name), entry.shape.count == 2, entry.shape.allSatisfy({ $0 > 0 }),
                Precision(elementType: entry.elementType) != nil
            else { continue }
            try add(String(name.dropLast(suffix.count)), rows: entry.shape[0], columns: entry.shape[1])
        }
        for (name, entry) in structures where matrices[name] == nil {
            try add(name, rows: entry.rows, columns: entry.columns)
        }
        (self.sites, self.matrices) = (sites, matrices)
    }

    public subscript(site name: String) -> any StructuredMatrix {
        get {
            guard let matrix = matrices[name] else { preconditionFailure("no matrix '\(name)' in this model") }
            return matrix
        }
        set { matrices[name] = newValue }
    }

    public mutating func prepare(_ options: PreparationOptions, context: ExecutionContext) {}

    public var vocabularySize: Int { 0 }
    public var maximumPositions: Int { 0 }

    /// Nothing can be run, so no sequence is one of this model's.
    public func observe(_ sequences: [[Int]], context: ExecutionContext, observer: ActivationObserver) throws {
        try check(sequences)
    }
}
