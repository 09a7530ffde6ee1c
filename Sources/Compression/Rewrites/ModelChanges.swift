import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// What a rewrite changed in a model: what a folder of the new one must hold that the old one's does not, and must not hold.
package struct ModelChanges: Sendable {
    /// By the weight's name without ".weight".
    var matrices: [(name: String, matrix: any StructuredMatrix)]
    /// Biases and norms that changed or came new.
    var vectors: [(name: String, values: [Float])]
    /// Matrices and vectors that are gone.
    let removed: [String]
    let removedVectors: Set<String>
    /// Nil where they are what they were.
    let blocks: [BlockSizes]?
    /// Norms of the stream no longer subtract means.
    let dropsMeans: Bool
    /// The stream's form; nil where it is not cut.
    let stream: CutStream?
    /// The head, which was the table of words, has a weight of its own.
    let untiesHead: Bool
    /// Of routers and what belongs to them.
    let tensors: [(name: String, tensor: Tensor)]

    /// - Throws: `TensorError`.
    package init(from before: any NetworkModel, to after: any NetworkModel) throws {
        var changed: Set<String> = []
        for (block, sizes) in after.blockSizes.enumerated() where sizes != before.blockSizes[block] {
            for matrix in BlockMatrix.allCases { changed.insert(after.siteName(block, matrix)) }
        }
        if after.isStreamCut { changed.formUnion(Self.sites(of: after, unlike: before)) }
        let left = Set(after.sites.map(\.name))
        matrices = after.sites.filter { changed.contains($0.name) }.map { ($0.name, after[site: $0.name]) }
        vectors = after.vectorNames.compactMap { name in
            guard let values = after[vector: name], values != before[vector: name] else { return nil }
            return (name, values)
        }
        removed = before.sites.map(\.name).filter { !left.contains($0) }
        removedVectors = Set(before.vectorNames).subtracting(after.vectorNames)
        blocks = after.blockSizes == before.blockSizes ? nil : after.blockSizes
        dropsMeans = !before.coupling.normBiases.isEmpty && after.coupling.normBiases.isEmpty
        stream = after.cutStream
        untiesHead = before.isHeadTied && !after.isHeadTied
        tensors = try after.expertTensors()
    }

    /// Sites of a model whose stream was cut that are new or other than before.
    private static func sites(of after: any NetworkModel, unlike before: any NetworkModel) -> [String] {
        let known = Set(before.sites.map(\.name))
        return after.sites.map(\.name).filter { name in
            guard known.contains(name) else { return true }
            let (old, new) = (before[site: name], after[site: name])
            return old.shape != new.shape || old.dense() != new.dense()
        }
    }

    /// The same with some matrices and vectors as they became afterwards.
    func replacing(
        _ matrices: [(name: String, matrix: any StructuredMatrix)], vectors: [String: [Float]]
    ) -> ModelChanges {
        var result = self
        let names = Set(matrices.map(\.name))
        result.matrices = self.matrices.filter { !names.contains($0.name) } + matrices
        result.vectors = self.vectors.filter { vectors[$0.name] == nil }
        result.vectors += vectors.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        return result
    }
}

extension RewrittenFolder {
    /// The folder of a model with its changes.
    /// - Throws: as the other initialiser.
    package init(
        source: ModelFolder, original: LoadedModel, changes: ModelChanges, precision: Precision? = nil,
        destination: String, replacing: Bool
    ) throws {
        try self.init(
            source: source, original: original, matrices: changes.matrices, vectors: changes.vectors,
            tensors: changes.tensors, removed: changes.removed, removedVectors: changes.removedVectors,
            blocks: changes.blocks, dropsMeans: changes.dropsMeans, stream: changes.stream,
            untiesHead: changes.untiesHead, precision: precision, destination: destination, replacing: replacing)
    }
}
