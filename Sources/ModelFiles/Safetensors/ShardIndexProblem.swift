import Tensors

/// What can be wrong with a `model.safetensors.index.json` and the shards it names.
public enum ShardIndexProblem: Error, Equatable, Sendable {
    case missingWeightMap
    case emptyWeightMap
    case shardNotAString(tensor: String, got: String)
    /// A path, a parent folder or anything else that is not the plain name of a `.safetensors` file beside the index.
    case unsafeShardName(tensor: String, shard: String)
    case missingShard(String)
    case tensorNotInShard(tensor: String, shard: String)
    /// A shard holds a tensor that the map does not place there.
    case tensorNotInMap(tensor: String, shard: String)
}

extension ShardIndexProblem: CustomStringConvertible {
    public var description: String {
        switch self {
        case .missingWeightMap: "weight_map is missing or not an object"
        case .emptyWeightMap: "weight_map names no tensor"
        case .shardNotAString(let tensor, let got):
            "weight_map: tensor \(quotedForMessage(tensor)): expected a file name, got \(got)"
        case .unsafeShardName(let tensor, let shard):
            "weight_map: tensor \(quotedForMessage(tensor)): \(quotedForMessage(shard)) is not the plain name of a .safetensors file"
        case .missingShard(let shard): "shard \(quotedForMessage(shard)) is missing"
        case .tensorNotInShard(let tensor, let shard):
            "tensor \(quotedForMessage(tensor)) is not in shard \(quotedForMessage(shard))"
        case .tensorNotInMap(let tensor, let shard):
            "shard \(quotedForMessage(shard)) holds tensor \(quotedForMessage(tensor)), which weight_map does not place there"
        }
    }
}
