import ModelFiles
import Tensors

extension ModelConfiguration {
    /// A count or size: 1 to 2^31 - 1, so that the product of two cannot overflow.
    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`.
    func size(_ key: String, default: Int? = nil) throws -> Int {
        try integer(key, in: 1...Int(Int32.max), default: `default`)
    }

    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`; `TransformersError.unsupportedSetting` unless positive.
    func positive(_ key: String, default: Double? = nil) throws -> Double {
        let number = try double(key, default: `default`)
        guard number > 0, number.isFinite else {
            throw TransformersError.unsupportedSetting(
                file: file, key: key, got: "\(number)", supported: "positive numbers")
        }
        return number
    }

    /// Refuses other values of a key; absent means the first of them.
    /// - Throws: `TransformersError.unsupportedSetting`, `ModelFileError.wrongValue`.
    func expect(_ key: String, oneOf supported: [String]) throws {
        let got = try string(key, default: supported[0])
        guard supported.contains(got) else {
            throw TransformersError.unsupportedSetting(
                file: file, key: key, got: quotedForMessage(got), supported: supported.joined(separator: ", ")
            )
        }
    }

    /// Refuses other values of a key; absent means this one.
    /// - Throws: `TransformersError.unsupportedSetting`, `ModelFileError.wrongValue`.
    func expect(_ key: String, number supported: Double) throws {
        let got = try double(key, default: supported)
        guard got == supported else {
            throw TransformersError.unsupportedSetting(
                file: file, key: key, got: "\(got)", supported: "\(supported)")
        }
    }

    /// Refuses the other value of a key; absent means this one.
    /// - Throws: `TransformersError.unsupportedSetting`, `ModelFileError.wrongValue`.
    func expect(_ key: String, is supported: Bool) throws {
        let got = try bool(key, default: supported)
        guard got == supported else {
            throw TransformersError.unsupportedSetting(
                file: file, key: key, got: "\(got)", supported: "\(supported)")
        }
    }

    /// - Throws: `TransformersError.unsupportedSetting`, `ModelFileError`.
    func expectDivisible(_ key: String, by divisor: String) throws {
        let (number, parts) = (try size(key), try size(divisor))
        guard number % parts == 0 else {
            throw TransformersError.unsupportedSetting(
                file: file, key: key, got: "\(number)", supported: "multiples of \(divisor), \(parts)")
        }
    }

    /// How many blocks there are.
    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`.
    func blockCount(_ key: String) throws -> Int {
        // Far more than any model has; room for the blocks is taken at once.
        try integer(key, in: 1...4096)
    }

    /// The sizes of a block whose heads share the stream's width evenly; without them where every block has its own.
    /// - Parameter defaultFeedForward: where the key may be absent.
    /// - Throws: `TransformersError.unsupportedSetting`, `ModelFileError`.
    func ordinarySizes(
        width: String, heads headsKey: String, feedForward: String, defaultFeedForward: Int? = nil
    ) throws -> BlockSizes {
        let heads = try size(headsKey)
        if try blockSizes() == nil { try expectDivisible(width, by: headsKey) }
        let headWidth = try max(1, size(width) / heads)
        return BlockSizes(
            heads: heads, keyValueHeads: heads, queryKeyWidth: headWidth, valueWidth: headWidth,
            feedForwardWidth: try size(feedForward, default: defaultFeedForward))
    }
}
