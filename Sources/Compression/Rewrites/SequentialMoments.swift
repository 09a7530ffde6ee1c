import Tensors
import Transformers

/// Moments of the inputs of a model's blocks while it is narrowed front to back: those that are seen behind the blocks that were
/// narrowed already, or those of the model as it was.
struct SequentialMoments {
    private let fixed: BlockMoments
    /// Nil where all blocks are narrowed by what the model as it was has seen.
    private var walk: BlockWalk?

    /// - Throws: `ModelFileError.notWritable`.
    init(_ fixed: BlockMoments, following model: (any NetworkModel)?, sequences: [[Int]], context: ExecutionContext) throws {
        self.fixed = fixed
        walk = try model.map { try BlockWalk($0, sequences: sequences, context: context) }
    }

    /// Moments of an input of a block, no earlier one than before; blocks in front of it are as they will be.
    /// - Throws: `TransformersError`; `CompressionError.notFinite`.
    mutating func moments(of name: String, block: Int, in model: any NetworkModel) throws -> BlockMoments {
        guard var walk else { return fixed }
        if walk.next < block { try walk.pass(to: block, of: model) }
        self.walk = walk
        return try walk.moments(of: [name], in: model)
    }
}
