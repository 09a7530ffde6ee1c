import ModelFiles
import Testing

@Suite struct ModelConfigurationTests {
    private func configuration(_ text: String) throws -> ModelConfiguration {
        let value = try JSONValue.parse(text)
        return ModelConfiguration(file: "m/config.json", root: try #require(value.objectValue))
    }

    /// The message of what `body` throws.
    private func message<Value>(_ body: () throws(ModelFileError) -> Value) -> String? {
        do {
            _ = try body()
            return nil
        } catch { return error.description }
    }

    @Test func readsTypedValues() throws {
        let settings = try configuration(
            #"{"model_type":"bert","n":384,"eps":1e-12,"theta":10000,"tie":true,"none":null,"ids":[1,2],"id":3,"rope":{"f":2.0}}"#
        )
        #expect(try settings.modelType == "bert")
        #expect(try settings.integer("n", in: 1...400) == 384)
        #expect(try settings.double("eps") == 1e-12)
        #expect(try settings.double("theta") == 10000)
        #expect(try settings.bool("tie"))
        #expect(try settings.integer("none", default: 7) == 7 && settings.string("x", default: "y") == "y")
        #expect(
            try settings.integers("ids") == [1, 2] && settings.integers("id") == [3]
                && settings.integers("none") == [])
        #expect(try settings.section("rope")?.double("f") == 2 && settings.section("none") == nil)
        #expect(settings.contains("n") && !settings.contains("none"))
    }

    @Test func errorsNameFileAndKey() throws {
        let settings = try configuration(
            #"{"n":384,"f":1.5,"s":"x\ny","rope":{"k":-1},"none":null,"l":[1,"a"],"big":1e300}"#)
        #expect(
            message { () throws(ModelFileError) in try settings.integer("x") }
                == #"m/config.json: "x" is missing"#)
        #expect(
            message { () throws(ModelFileError) in try settings.integer("none") }
                == #"m/config.json: "none" is missing"#)
        #expect(
            message { () throws(ModelFileError) in try settings.integer("n", in: 1...100) }
                == #"m/config.json: "n": expected a whole number from 1 to 100, got 384"#)
        #expect(
            message { () throws(ModelFileError) in try settings.integer("f", in: 1...Int.max) }
                == #"m/config.json: "f": expected a whole number of at least 1, got 1.5"#)
        #expect(
            message { () throws(ModelFileError) in try settings.integer("big") }
                == #"m/config.json: "big": expected a whole number of at least 0, got 1e+300"#)
        #expect(
            message { () throws(ModelFileError) in try settings.double("s") }
                == #"m/config.json: "s": expected a number, got "x\u{A}y""#)
        #expect(
            message { () throws(ModelFileError) in try settings.double("f", in: 0...1) }
                == #"m/config.json: "f": expected a number from 0.0 to 1.0, got 1.5"#)
        #expect(
            message { () throws(ModelFileError) in try settings.bool("rope") }
                == #"m/config.json: "rope": expected true or false, got an object"#)
        #expect(
            message { () throws(ModelFileError) in try settings.integers("l") }
                == #"m/config.json: "l": expected whole numbers of at least 0, got "a""#)
        #expect(
            message { () throws(ModelFileError) in try settings.section("rope")?.integer("k") }
                == #"m/config.json: "rope.k": expected a whole number of at least 0, got -1"#)
        #expect(
            message { () throws(ModelFileError) in try settings.modelType }
                == #"m/config.json: "model_type" is missing"#)
    }

    @Test func unknownKeysAreWrittenBackInOrder() throws {
        let folder = try TemporaryFolder()
        let text = """
            {
              "z": [
                1,
                2.5
              ],
              "hidden": "é",
              "a": {
                "deep": null
              }
            }

            """
        let settings = try ModelConfiguration(file: try folder.write(text, to: "config.json"))
        try settings.write(to: folder.file("copy.json"))
        #expect(try folder.bytes("copy.json") == Array(text.utf8))
    }

    @Test func refusesWhatIsNoObject() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("[1]", to: "config.json")
        #expect(
            throws: ModelFileError.wrongValue(file: file, key: "", expected: "an object", got: "an array")
        ) {
            try ModelConfiguration(file: file)
        }
    }

    @Test func structuredEntriesComeBack() throws {
        var settings = try configuration(#"{"model_type":"bert","later":1}"#)
        #expect(try settings.structuredEntries() == nil && !settings.isCompressed)
        let entries = [
            (
                "encoder.layer.1.weight",
                StructuredEntry(
                    family: "monarch", rows: 12, columns: 8, attributes: ["rank": 2, "blocks": 4])
            ),
            ("encoder.layer.0.weight", StructuredEntry(family: "low-rank", rows: 3, columns: 5)),
        ]
        settings.setStructuredEntries(entries)
        let back = try #require(try settings.structuredEntries())
        #expect(back.map(\.matrix) == entries.map(\.0) && back.map(\.entry) == entries.map(\.1))
        #expect(settings.isCompressed && settings.root.keys == ["model_type", "later", "tessera"])
        let written = try JSONValue.object(settings.root).text()
        #expect(
            written
                == #"{"model_type":"bert","later":1,"tessera":{"format_version":1,"matrices":{"encoder.layer.1.weight":{"family":"monarch","shape":[12,8],"attributes":{"blocks":4,"rank":2}},"encoder.layer.0.weight":{"family":"low-rank","shape":[3,5],"attributes":{}}}}}"#
        )
        settings.setStructuredEntries([])
        #expect(settings.root.keys == ["model_type", "later"])
    }

    @Test(arguments: [
        ("1", #""tessera": expected an object, got 1"#),
        ("{}", #""tessera.format_version" is missing"#),
        (
            #"{"format_version":3,"matrices":5}"#,
            "tessera format version 3; this program reads up to version 2"
        ),
        (
            #"{"format_version":0}"#,
            #""tessera.format_version": expected a whole number of at least 1, got 0"#
        ),
        (#"{"format_version":1}"#, #""tessera.matrices" is missing"#),
        (
            #"{"format_version":1,"matrices":{"a":[]}}"#,
            #""tessera.matrices.a": expected an object, got an array"#
        ),
        (#"{"format_version":1,"matrices":{"a":{"family":"x"}}}"#, #""tessera.matrices.a.shape" is missing"#),
        (
            #"{"format_version":1,"matrices":{"a":{"family":"x","shape":[1,2,3]}}}"#,
            #""tessera.matrices.a.shape": expected [rows, columns], got an array"#
        ),
        (
            #"{"format_version":1,"matrices":{"a":{"family":"x","shape":[0,2]}}}"#,
            #""tessera.matrices.a.shape": expected whole numbers from 1 to 2147483647, got 0"#
        ),
        (
            #"{"format_version":1,"matrices":{"a":{"family":"x","shape":[4294967296,2]}}}"#,
            #""tessera.matrices.a.shape": expected whole numbers from 1 to 2147483647, got 4294967296"#
        ),
        (
            #"{"format_version":1,"matrices":{"a":{"shape":[1,2]}}}"#,
            #""tessera.matrices.a.family" is missing"#
        ),
        (
            #"{"format_version":1,"matrices":{"a":{"family":"x","shape":[1,2],"attributes":{"rank":-1}}}}"#,
            #""tessera.matrices.a.attributes.rank": expected a whole number from 0 to 2147483647, got -1"#
        ),
        (
            #"{"format_version":1,"matrices":{"a":{"family":"x","shape":[1,2],"attributes":{"rank":2.5}}}}"#,
            #""tessera.matrices.a.attributes.rank": expected a whole number from 0 to 2147483647, got 2.5"#
        ),
    ])
    func refusesASection(section: String, expected: String) throws {
        let settings = try configuration(#"{"tessera":\#(section)}"#)
        #expect(
            message { () throws(ModelFileError) in try settings.structuredEntries() } == "m/config.json: "
                + expected)
    }

    @Test func sizesOfBlocksComeBack() throws {
        var settings = try configuration(#"{"model_type":"llama"}"#)
        #expect(try settings.blockSizes() == nil && settings.addedBiases().isEmpty)
        let blocks = [
            BlockSizes(
                heads: 4, keyValueHeads: 2, queryKeyWidth: 4, valueWidth: 7, feedForwardWidth: 30, rotaryPairs: [0, 1, 1, 3]),
            BlockSizes(heads: 4, keyValueHeads: 2, queryKeyWidth: 4, valueWidth: 7, feedForwardWidth: 0).withoutAttention,
        ]
        settings.setBlockSizes(blocks)
        settings.setAddedBiases(["layers.0.down"])
        #expect(!settings.isCompressed)
        var again = try configuration(try JSONValue.object(settings.root).text())
        #expect(try again.blockSizes() == blocks)
        #expect(try again.addedBiases() == ["layers.0.down"])
        #expect(again.root["tessera"]?.objectValue?["format_version"] == 2)
        again.setStructuredEntries([("m", StructuredEntry(family: "dense", rows: 1, columns: 2))])
        #expect(again.isCompressed)
        #expect(try again.blockSizes() == blocks)
        again.setStructuredEntries([])
        #expect(try again.blockSizes() == blocks)
        #expect(try again.structuredEntries()?.isEmpty == true)
        again.setBlockSizes(nil)
        again.setAddedBiases([])
        #expect(again.root.keys == ["model_type"])
    }

    @Test func refusesTooManyAttributes() throws {
        let attributes = (0..<65).map { #""a\#($0)":1"# }.joined(separator: ",")
        let settings = try configuration(
            #"{"tessera":{"format_version":1,"matrices":{"m":{"family":"x","shape":[1,1],"attributes":{\#(attributes)}}}}}"#
        )
        #expect(
            message { () throws(ModelFileError) in try settings.structuredEntries() }
                == #"m/config.json: "tessera.matrices.m.attributes": expected at most 64 members, got 65"#)
    }

    @Test func partsOfComposedMatricesComeBack() throws {
        let inner = StructuredEntry(
            family: "product", rows: 3, columns: 5,
            parts: [
                StructuredEntry(family: "csr", rows: 3, columns: 2, attributes: ["entries": 4]),
                StructuredEntry(family: "dense", rows: 2, columns: 5),
            ])
        let sum = StructuredEntry(
            family: "sum", rows: 3, columns: 5,
            parts: [inner, StructuredEntry(family: "low-rank", rows: 3, columns: 5, attributes: ["rank": 1])])
        var settings = try configuration("{}")
        settings.setStructuredEntries([("m", sum)])
        let again = try configuration(try JSONValue.object(settings.root).text())
        #expect(try again.structuredEntries()?.map(\.entry) == [sum])
        #expect(try configuration(try sum.json.text()).structuredEntry() == sum)
    }

    @Test(arguments: [
        (#"{"family":"sum","shape":[1,1],"parts":3}"#, #""parts": expected a list, got 3"#),
        (#"{"family":"sum","shape":[1,1],"parts":[3]}"#, #""parts.0": expected an object, got 3"#),
        (#"{"family":"sum","shape":[1,1],"parts":[{"family":"x"}]}"#, #""parts.0.shape" is missing"#),
        (
            #"{"family":"sum","shape":[1,1],"parts":[{"family":"x","shape":[1,1],"attributes":{"rank":-1}}]}"#,
            #""parts.0.attributes.rank": expected a whole number from 0 to 2147483647, got -1"#
        ),
    ])
    func refusesParts(entry: String, expected: String) throws {
        let settings = try configuration(entry)
        #expect(message { () throws(ModelFileError) in try settings.structuredEntry() } == "m/config.json: " + expected)
    }

    @Test func refusesTooManyAndTooDeepParts() throws {
        let part = #"{"family":"x","shape":[1,1]}"#
        let many = try configuration(
            #"{"family":"sum","shape":[1,1],"parts":[\#(Array(repeating: part, count: 65).joined(separator: ","))]}"#)
        #expect(
            message { () throws(ModelFileError) in try many.structuredEntry() }
                == #"m/config.json: "parts": expected at most 64 parts, got 65"#)
        var nested = part
        for _ in 0..<8 { nested = #"{"family":"sum","shape":[1,1],"parts":[\#(nested)]}"# }
        let deep = try configuration(nested)
        #expect(
            message { () throws(ModelFileError) in try deep.structuredEntry() }?
                .contains("expected at most 8 levels of parts, got an array") == true)
    }
}
