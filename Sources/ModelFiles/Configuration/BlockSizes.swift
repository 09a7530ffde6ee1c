/// The sizes of one block of a transformer, where they are not those that the rest of `config.json` implies.
public struct BlockSizes: Sendable, Hashable {
    /// Query heads; 0 where the attention is gone, all its sizes are then 0.
    public var heads: Int
    public var keyValueHeads: Int
    /// Features of one head of queries and keys, and of values.
    public var queryKeyWidth: Int
    public var valueWidth: Int
    /// Hidden features of the feed-forward network; 0 where it is gone.
    public var feedForwardWidth: Int
    /// Models with rotary positions: which of the original pairs of features the heads kept, keyValueHeads x queryKeyWidth / 2
    /// (query heads keep those of the key head they read); nil for all, in order.
    public var rotaryPairs: [Int]?
    /// What is kept of each key head's keys, in directions of its own; nil where keys are kept as they are.
    public var keyRanks: [Int]?
    /// Features of each value head where they are not all alike, of which `valueWidth` is then the largest.
    public var valueWidths: [Int]?
    /// How the feed-forward network is cut into experts; nil where all of it runs for every token.
    public var experts: ExpertSizes?

    public init(
        heads: Int, keyValueHeads: Int, queryKeyWidth: Int, valueWidth: Int, feedForwardWidth: Int,
        rotaryPairs: [Int]? = nil, keyRanks: [Int]? = nil, valueWidths: [Int]? = nil, experts: ExpertSizes? = nil
    ) {
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.queryKeyWidth = queryKeyWidth
        self.valueWidth = valueWidth
        self.feedForwardWidth = feedForwardWidth
        self.rotaryPairs = rotaryPairs
        self.keyRanks = keyRanks
        self.valueWidths = valueWidths
        self.experts = experts
    }

    /// Features of all value heads, and of what all query heads make of them.
    public var valueFeatures: Int { valueWidths?.reduce(0, +) ?? keyValueHeads * valueWidth }
    public var mixedFeatures: Int { valueWidths == nil ? heads * valueWidth : heads / keyValueHeads * valueFeatures }
    /// Numbers of a token that a key-value cache keeps.
    public var cachedNumbers: Int { (keyRanks?.reduce(0, +) ?? keyValueHeads * queryKeyWidth) + valueFeatures }

    /// The same without attention.
    public var withoutAttention: BlockSizes {
        BlockSizes(heads: 0, keyValueHeads: 0, queryKeyWidth: 0, valueWidth: 0, feedForwardWidth: feedForwardWidth)
    }
}

/// `"blocks"` in the `tessera` section: one object for each of the model's blocks, in order.
extension ModelConfiguration {
    private static let blocksKey = "blocks"
    private static let sizeRange = 0...Int(Int32.max)

    /// The sizes of all blocks; nil where they are those that the other keys imply.
    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`.
    public func blockSizes() throws(ModelFileError) -> [BlockSizes]? {
        guard let tessera = try section(Self.sectionKey), let value = tessera.value(Self.blocksKey) else { return nil }
        guard let list = value.arrayValue else { throw tessera.wrong(Self.blocksKey, "a list", value) }
        var blocks: [BlockSizes] = []
        blocks.reserveCapacity(list.count)
        for (index, value) in list.enumerated() {
            let key = "\(Self.blocksKey).\(index)"
            guard let object = value.objectValue else { throw tessera.wrong(key, "an object", value) }
            let fields = ModelConfiguration(file: file, root: object, keyPrefix: "\(tessera.keyPrefix)\(key).")
            blocks.append(try Self.sizes(fields))
        }
        return blocks
    }

    private static func sizes(_ fields: ModelConfiguration) throws(ModelFileError) -> BlockSizes {
        let heads = try fields.integer("heads", in: sizeRange)
        let range = heads == 0 ? 0...0 : 1...Int(Int32.max)
        var sizes = BlockSizes(
            heads: heads, keyValueHeads: try fields.integer("key_value_heads", in: range),
            queryKeyWidth: try fields.integer("query_key_width", in: range),
            valueWidth: try fields.integer("value_width", in: range),
            feedForwardWidth: try fields.integer("feed_forward_width", in: sizeRange))
        guard heads == 0 || heads % sizes.keyValueHeads == 0 else {
            throw fields.wrong(
                "key_value_heads", "a divisor of the \(heads) heads", .integer(Int64(sizes.keyValueHeads)))
        }
        if let pairs = fields.value("rotary_pairs") {
            sizes.rotaryPairs = try fields.integers("rotary_pairs", in: sizeRange)
            guard pairs.arrayValue != nil, sizes.queryKeyWidth % 2 == 0,
                sizes.rotaryPairs?.count == sizes.keyValueHeads * (sizes.queryKeyWidth / 2)
            else {
                throw fields.wrong("rotary_pairs", "one number for each pair of features of each key head", pairs)
            }
        }
        sizes.keyRanks = try headSizes(fields, "key_ranks", heads: sizes.keyValueHeads, most: sizes.queryKeyWidth)
        sizes.valueWidths = try headSizes(fields, "value_widths", heads: sizes.keyValueHeads, most: sizes.valueWidth)
        if let experts = try fields.section("experts") {
            sizes.experts = try ExpertSizes(experts, neurons: sizes.feedForwardWidth)
        }
        return sizes
    }

    /// One number for each key-value head; nil where the key is absent.
    private static func headSizes(
        _ fields: ModelConfiguration, _ key: String, heads: Int, most: Int
    ) throws(ModelFileError) -> [Int]? {
        guard let value = fields.value(key) else { return nil }
        guard heads > 0, value.arrayValue?.count == heads else {
            throw fields.wrong(key, "one number for each key-value head", value)
        }
        return try fields.integers(key, in: 1...most)
    }

    /// Writes the sizes of all blocks; nil removes them.
    public mutating func setBlockSizes(_ blocks: [BlockSizes]?) {
        setTesseraMember(Self.blocksKey, to: blocks.map { .array($0.map(\.json)) })
    }
}

/// `"biases"` in the `tessera` section: linear layers that have a bias which their architecture does not give them.
extension ModelConfiguration {
    private static let biasesKey = "biases"

    /// Names of weights without ".weight".
    /// - Throws: `ModelFileError.wrongValue`.
    public func addedBiases() throws(ModelFileError) -> [String] {
        guard let tessera = try section(Self.sectionKey), let value = tessera.value(Self.biasesKey) else { return [] }
        guard let list = value.arrayValue else { throw tessera.wrong(Self.biasesKey, "a list", value) }
        var names: [String] = []
        for (index, value) in list.enumerated() {
            guard let name = value.stringValue else { throw tessera.wrong("\(Self.biasesKey).\(index)", "a string", value) }
            names.append(name)
        }
        return names
    }

    /// Writes the names; an empty list removes them.
    public mutating func setAddedBiases(_ names: [String]) {
        setTesseraMember(Self.biasesKey, to: names.isEmpty ? nil : .array(names.map { .string($0) }))
    }
}

/// `"norms"` in the `tessera` section: "root-mean-square" where layer norms no longer subtract the mean and have no bias.
extension ModelConfiguration {
    private static let normsKey = "norms"
    private static let rootMeanSquare = "root-mean-square"

    /// - Throws: `ModelFileError.wrongValue`.
    public func dropsMeans() throws(ModelFileError) -> Bool {
        guard let tessera = try section(Self.sectionKey), let value = tessera.value(Self.normsKey) else { return false }
        guard value.stringValue == Self.rootMeanSquare else {
            throw tessera.wrong(Self.normsKey, Self.rootMeanSquare, value)
        }
        return true
    }

    /// Writes that norms do not subtract means; false removes the key.
    public mutating func setDropsMeans(_ dropsMeans: Bool) {
        setTesseraMember(Self.normsKey, to: dropsMeans ? .string(Self.rootMeanSquare) : nil)
    }
}

extension BlockSizes {
    /// As the section has it.
    public var json: JSONValue {
        var object = JSONObject()
        object["heads"] = .integer(Int64(heads))
        object["key_value_heads"] = .integer(Int64(keyValueHeads))
        object["query_key_width"] = .integer(Int64(queryKeyWidth))
        object["value_width"] = .integer(Int64(valueWidth))
        object["feed_forward_width"] = .integer(Int64(feedForwardWidth))
        if let keyRanks { object["key_ranks"] = .array(keyRanks.map { .integer(Int64($0)) }) }
        if let valueWidths { object["value_widths"] = .array(valueWidths.map { .integer(Int64($0)) }) }
        if let rotaryPairs { object["rotary_pairs"] = .array(rotaryPairs.map { .integer(Int64($0)) }) }
        if let experts { object["experts"] = experts.json }
        return .object(object)
    }
}
