import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// What changed in a model: what a folder of the new one must hold that the old one's does not, and must not hold.
public struct ModelChanges: Sendable {
    /// New or replaced ones, by the weight's name without ".weight".
    public var matrices: [(name: String, matrix: any StructuredMatrix)]
    /// Biases and norms that changed or came new, by name (`NetworkModel.vectorNames`).
    public var vectors: [(name: String, values: [Float])]
    /// Others that changed or came new, as they are: those of routers and what belongs to them.
    public var tensors: [(name: String, tensor: Tensor)] = []
    /// Matrices and vectors that are gone, by the same names.
    public var removed: [String] = []
    public var removedVectors: Set<String> = []
    /// The sizes of all blocks; nil where they are what they were.
    public var blocks: [BlockSizes]?
    /// Norms of the stream no longer subtract means (`NetworkModel.dropMeans`): their biases are gone then.
    public var dropsMeans = false
    /// The form of a residual stream that is cut; nil where it is what it was.
    public var stream: CutStream?
    /// The output head, which was the table of words, has a weight of its own.
    public var untiesHead = false

    /// A model of the same form with other numbers in some places.
    public init(
        matrices: [(name: String, matrix: any StructuredMatrix)] = [], vectors: [(name: String, values: [Float])] = []
    ) {
        self.matrices = matrices
        self.vectors = vectors
    }

    /// What a rewrite changed.
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
