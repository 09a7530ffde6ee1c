import Tensors

/// The weights of a model folder: `model.safetensors`, or the shards that `model.safetensors.index.json` names.
///
/// Opening reads headers alone; tensors share the mapped files. When both layouts are there the single file is taken, as
/// Hugging Face transformers does.
public struct Checkpoint: Sendable {
    public static let singleFileName = "model.safetensors"
    public static let indexFileName = "model.safetensors.index.json"

    /// The file that was opened: the single file, or the index.
    public let file: String
    /// The weight files, one or many.
    public let shards: [SafetensorsReader]
    /// Every tensor: in the order of their bytes, shard after shard.
    public let tensorNames: [String]
    private let shardOfTensor: [ExactString: Int]

    /// - Parameter isStreamed: as `TensorStorage.isStreamed`, of every weight file.
    /// - Throws: `ModelFileError`; every tensor of a sharded checkpoint is known to be where the index says.
    public init(folder: String, isStreamed: Bool = false) throws(ModelFileError) {
        let single = joinPath(folder, Self.singleFileName)
        let index = joinPath(folder, Self.indexFileName)
        if isRegularFile(single) {
            self.init(file: single, shards: [try SafetensorsReader(file: single, isStreamed: isStreamed)])
        } else if isRegularFile(index) {
            try self.init(index: index, folder: folder, isStreamed: isStreamed)
        } else {
            throw .notAModelFolder(
                folder: folder, reason: "\(Self.singleFileName) or \(Self.indexFileName) is missing")
        }
    }

    /// A single safetensors file of any name.
    public init(file: String) throws(ModelFileError) {
        self.init(file: file, shards: [try SafetensorsReader(file: file)])
    }

    private init(index: String, folder: String, isStreamed: Bool) throws(ModelFileError) {
        let map = try ShardIndex(file: index)
        var shards: [SafetensorsReader] = []
        var positions: [ExactString: Int] = [:]
        for shard in map.shards {
            let path = joinPath(folder, shard)
            guard isRegularFile(path) else { throw .shardIndex(file: index, .missingShard(shard)) }
            positions[ExactString(shard)] = shards.count
            shards.append(try SafetensorsReader(file: path, isStreamed: isStreamed))
        }
        var placed: [ExactString: Int] = [:]
        for (tensor, shard) in map.tensors {
            guard let position = positions[ExactString(shard)], shards[position].contains(tensor) else {
                throw .shardIndex(file: index, .tensorNotInShard(tensor: tensor, shard: shard))
            }
            placed[ExactString(tensor)] = position
        }
        for (position, shard) in shards.enumerated() {
            for tensor in shard.tensorNames where placed[ExactString(tensor)] != position {
                throw .shardIndex(file: index, .tensorNotInMap(tensor: tensor, shard: map.shards[position]))
            }
        }
        self.init(file: index, shards: shards)
    }

    private init(file: String, shards: [SafetensorsReader]) {
        self.file = file
        self.shards = shards
        tensorNames = shards.flatMap(\.tensorNames)
        var shardOfTensor: [ExactString: Int] = [:]
        for (position, shard) in shards.enumerated() {
            for name in shard.tensorNames { shardOfTensor[ExactString(name)] = position }
        }
        self.shardOfTensor = shardOfTensor
    }

    /// Bytes of all tensors, headers excluded.
    public var tensorByteCount: Int { shards.reduce(0) { $0 + $1.entries.reduce(0) { $0 + $1.byteCount } } }
    /// Bytes of the weight files on disk, headers included.
    public var fileByteCount: Int { shards.reduce(0) { $0 + $1.fileByteCount } }

    public func contains(_ name: String) -> Bool { shardOfTensor[ExactString(name)] != nil }

    /// Type, shape and place of a tensor; nil when there is none of that name. O(1).
    public func entry(named name: String) -> SafetensorsEntry? { shard(of: name)?.entry(named: name) }

    /// The file that holds a tensor.
    public func file(of name: String) -> String? { shard(of: name)?.file }

    /// The tensor of that name, over the mapped file.
    /// - Throws: `ModelFileError.missingTensor` naming the single file or the index.
    public func tensor(named name: String) throws(ModelFileError) -> Tensor {
        guard let shard = shard(of: name) else { throw .missingTensor(file: file, tensor: name) }
        return try shard.tensor(named: name)
    }

    private func shard(of name: String) -> SafetensorsReader? {
        shardOfTensor[ExactString(name)].map { shards[$0] }
    }
}
