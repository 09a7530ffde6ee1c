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

    /// - Throws: `TransformersError.unsupportedSetting`, `ModelFileError`.
    func expectDivisible(_ key: String, by divisor: String) throws {
        let (number, parts) = (try size(key), try size(divisor))
        guard number % parts == 0 else {
            throw TransformersError.unsupportedSetting(
                file: file, key: key, got: "\(number)", supported: "multiples of \(divisor), \(parts)")
        }
    }
}
