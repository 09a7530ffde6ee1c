/// The map of a sharded checkpoint: which file beside `model.safetensors.index.json` holds each tensor.
struct ShardIndex {
    /// Shard names in the order in which the map first names them.
    private(set) var shards: [String] = []
    private(set) var tensors: [(name: String, shard: String)] = []

    /// Memory: less than 64 times the file's bytes.
    init(file: String) throws(ModelFileError) {
        let value = try JSONValue.read(file: file, byteLimit: SafetensorsHeader.byteLimit)
        do throws(ShardIndexProblem) {
            try read(value)
        } catch {
            throw .shardIndex(file: file, error)
        }
    }

    private mutating func read(_ value: JSONValue) throws(ShardIndexProblem) {
        guard let map = value["weight_map"]?.objectValue else { throw .missingWeightMap }
        guard !map.isEmpty else { throw .emptyWeightMap }
        var seen: Set<ExactString> = []
        tensors.reserveCapacity(map.count)
        for (tensor, value) in map {
            guard let shard = value.stringValue else {
                throw .shardNotAString(tensor: tensor, got: value.kindDescription)
            }
            guard Self.isPlainFileName(shard) else { throw .unsafeShardName(tensor: tensor, shard: shard) }
            if seen.insert(ExactString(shard)).inserted { shards.append(shard) }
            tensors.append((tensor, shard))
        }
    }

    private static func isPlainFileName(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        return bytes.count <= 255 && bytes.first != UInt8(ascii: ".") && name.hasSuffix(".safetensors")
            && bytes.allSatisfy {
                $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\")
            }
    }
}
