import ModelFiles
import Tensors
import Testing

@Suite struct CheckpointTests {
    /// Two shards: "a" and "b" in the first, "c" in the second.
    private func sharded(index: String? = nil) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try SafetensorsWriter.write(
            [("a", try Tensor([1], shape: [1])), ("b", try Tensor([2, 3], shape: [2, 1]))],
            to: folder.file("x-1.safetensors"))
        try SafetensorsWriter.write([("c", try Tensor([4], shape: []))], to: folder.file("x-2.safetensors"))
        let map = #"{"a":"x-1.safetensors","b":"x-1.safetensors","c":"x-2.safetensors"}"#
        try folder.write(
            index ?? #"{"metadata":{"total_size":16},"weight_map":\#(map)}"#, to: Checkpoint.indexFileName)
        return folder
    }

    @Test func opensShards() throws {
        let folder = try sharded()
        let checkpoint = try Checkpoint(folder: folder.path)
        #expect(checkpoint.tensorNames == ["a", "b", "c"])
        #expect(checkpoint.file == folder.file(Checkpoint.indexFileName))
        #expect(checkpoint.file(of: "b") == folder.file("x-1.safetensors"))
        #expect(checkpoint.file(of: "c") == folder.file("x-2.safetensors"))
        #expect(checkpoint.contains("c") && !checkpoint.contains("d") && checkpoint.file(of: "d") == nil)
        #expect(try checkpoint.tensor(named: "c").floats() == [4])
        #expect(checkpoint.entry(named: "b")?.shape == [2, 1])
        #expect(checkpoint.tensorByteCount == 16)
        let sizes = try ["x-1.safetensors", "x-2.safetensors"].map { try folder.bytes($0).count }
        #expect(checkpoint.fileByteCount == sizes.reduce(0, +))
        #expect(throws: ModelFileError.missingTensor(file: checkpoint.file, tensor: "d")) {
            try checkpoint.tensor(named: "d")
        }
    }

    @Test func opensASingleFileFirst() throws {
        let folder = try sharded()
        try SafetensorsWriter.write(
            [("z", try Tensor([9], shape: [1]))], to: folder.file("model.safetensors"))
        let checkpoint = try Checkpoint(folder: folder.path)
        #expect(
            checkpoint.tensorNames == ["z"] && checkpoint.file(of: "z") == folder.file("model.safetensors"))
        #expect(try Checkpoint(file: folder.file("x-2.safetensors")).tensorNames == ["c"])
    }

    @Test func saysWhatIsMissing() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: ModelFileError.self) { try Checkpoint(folder: folder.path) }
        #expect(
            error?.description
                == "\(folder.path): not a model folder: model.safetensors or model.safetensors.index.json is missing"
        )
    }

    @Test(arguments: [
        ("{}", ShardIndexProblem.missingWeightMap, "weight_map is missing or not an object"),
        ("[]", .missingWeightMap, "weight_map is missing or not an object"),
        (#"{"weight_map":{}}"#, .emptyWeightMap, "weight_map names no tensor"),
        (
            #"{"weight_map":{"a":1}}"#, .shardNotAString(tensor: "a", got: "an integer"),
            #"weight_map: tensor "a": expected a file name, got an integer"#
        ),
        (
            #"{"weight_map":{"a":"x-3.safetensors"}}"#, .missingShard("x-3.safetensors"),
            #"shard "x-3.safetensors" is missing"#
        ),
        (
            #"{"weight_map":{"d":"x-2.safetensors"}}"#,
            .tensorNotInShard(tensor: "d", shard: "x-2.safetensors"),
            #"tensor "d" is not in shard "x-2.safetensors""#
        ),
        (
            #"{"weight_map":{"a":"x-1.safetensors"}}"#,
            .tensorNotInMap(tensor: "b", shard: "x-1.safetensors"),
            #"shard "x-1.safetensors" holds tensor "b", which weight_map does not place there"#
        ),
    ])
    func refusesAnIndex(index: String, problem: ShardIndexProblem, message: String) throws {
        let folder = try sharded(index: index)
        let file = folder.file(Checkpoint.indexFileName)
        let error = #expect(throws: ModelFileError.self) { try Checkpoint(folder: folder.path) }
        #expect(error == .shardIndex(file: file, problem))
        #expect(error?.description == "\(file): \(message)")
    }

    @Test(arguments: [
        "../x-1.safetensors", "/etc/x.safetensors", "sub/x.safetensors", "..", "", ".x.safetensors",
        "x-1.bin",
        "a\\\\b.safetensors", "x\\u0000.safetensors", "x\\n.safetensors",
    ])
    func refusesAPathAsShard(shard: String) throws {
        let folder = try sharded(index: #"{"weight_map":{"a":"\#(shard)"}}"#)
        let error = #expect(throws: ModelFileError.self) { try Checkpoint(folder: folder.path) }
        guard case .shardIndex(_, .unsafeShardName(tensor: "a", _)) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.description.contains(where: \.isNewline) == false)
        #expect(error?.description.hasSuffix("is not the plain name of a .safetensors file") == true)
    }

    @Test func namesADamagedShard() throws {
        let folder = try sharded()
        try folder.write("short", to: "x-2.safetensors")
        let expected = ModelFileError.safetensors(
            file: folder.file("x-2.safetensors"), .tooShort(byteCount: 5))
        #expect(throws: expected) { try Checkpoint(folder: folder.path) }
    }

    @Test func namesABrokenIndex() throws {
        let folder = try sharded(index: "{")
        let file = folder.file(Checkpoint.indexFileName)
        #expect(throws: ModelFileError.notJSON(file: file, .unexpectedEnd(offset: 1))) {
            try Checkpoint(folder: folder.path)
        }
    }
}
