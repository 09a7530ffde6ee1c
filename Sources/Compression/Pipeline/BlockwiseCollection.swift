import Communication
import Foundation
import Tensors
import Transformers

/// The work of a calibration on one rank: its share of the sequences through one group of blocks after the other, and the
/// sums of the group in work.
struct BlockwiseCollection {
    private let model: any TransformerModel
    private let sequences: [[Int]]
    private let passes: [Range<Int>]
    private let context: ExecutionContext
    private let features: [String: Int]
    /// Nil for a model that runs as a whole.
    private var walk: GroupedWalk?
    /// Of the group in work.
    private(set) var sums = MomentSums(features: [:])

    private struct GroupedWalk {
        let model: any NetworkModel
        let groups: [Range<Int>]
        var blocks: BlockWalk
        /// The last batch of each pass.
        let ends: Set<Int>
    }

    var groupCount: Int { walk?.groups.count ?? 1 }

    init(
        _ model: any TransformerModel, features: [String: Int], sequences: [[Int]], passes: [Range<Int>], memory: Int,
        folder: URL, context: ExecutionContext
    ) throws {
        self.model = model
        self.features = features
        self.sequences = sequences
        self.passes = passes
        self.context = context
        guard let model = model as? any NetworkModel else { return }
        let groups = Self.groups(of: model, features, memory: memory)
        guard groups.count > 1 else { return }
        var (batches, ends): ([Range<Int>], Set<Int>) = ([], [])
        for pass in passes {
            for batch in model.batches(Array(sequences[pass])) {
                batches.append(pass.lowerBound + batch.lowerBound..<pass.lowerBound + batch.upperBound)
            }
            ends.insert(batches.count - 1)
        }
        walk = GroupedWalk(
            model: model, groups: groups,
            blocks: try BlockWalk(sequences, batches: batches, width: model.hiddenSize, folder: folder, context: context),
            ends: ends)
    }

    /// Consecutive blocks whose moments fit in memory together.
    static func groups(of model: any NetworkModel, _ features: [String: Int], memory: Int) -> [Range<Int>] {
        var groups: [Range<Int>] = []
        var bytes = 0
        for block in 0..<model.blockCount {
            let own = Calibration.bytes(features.filter { Set(model.inputs(ofBlock: block)).contains($0.key) })
            if let last = groups.last, bytes + own <= memory {
                groups[groups.count - 1] = last.lowerBound..<block + 1
                bytes += own
            } else {
                groups.append(block..<block + 1)
                bytes = own
            }
        }
        return groups
    }

    /// Sums of zero for a group.
    mutating func begin(_ group: Int) {
        var features = features
        if let walk {
            let inputs = Set(walk.groups[group].flatMap { walk.model.inputs(ofBlock: $0) })
            features = features.filter { inputs.contains($0.key) }
        }
        sums = MomentSums(features: features)
    }

    /// Adds this rank's share of the sequences to the sums of a group.
    mutating func run(_ group: Int, progress: (_ sequencesSeen: Int) throws -> Void) throws {
        var sums = sums
        defer { self.sums = sums }
        let context = context
        guard let walk else {
            for pass in passes {
                try model.observe(Array(sequences[pass]), context: context) { sums.see($0, $1) }
                sums.add(context)
                try progress(pass.upperBound)
            }
            return
        }
        let batches = walk.blocks.batches
        try self.walk?.blocks.pass(to: walk.groups[group].upperBound, of: walk.model) {
            sums.see($0, $1)
        } seen: { batch, _, _ in
            if walk.ends.contains(batch) { sums.add(context) } else { sums.addFull(context) }
            try progress(batches[batch].upperBound)
        }
    }
}

extension BlockwiseCollection {
    func receiveSums(from rank: Int, _ communicator: any Communicator) throws {
        try sums.forEachBytes { try communicator.receive(into: $0, from: rank) }
    }

    func sendSums(to rank: Int, _ communicator: any Communicator) throws {
        try sums.forEachBytes { try communicator.send(UnsafeRawBufferPointer($0), to: rank) }
    }
}
