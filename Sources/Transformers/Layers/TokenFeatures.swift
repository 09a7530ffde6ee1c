import Tensors

/// The keys or the values of a sequence's tokens in one layer, in the precision they are kept in.
enum TokenFeatures {
    /// tokens x the features of all heads.
    case floats(MatrixView)
    /// Kept head after head, each with room for `room` tokens: what is read together, one head of many tokens, is one stream.
    case keptFloats(UnsafePointer<Float>, room: Int)
    /// The same as IEEE binary16 patterns.
    case halves(UnsafePointer<UInt16>, room: Int)
    /// The same as integers q + 128, with a binary16 scale for each head and token.
    case codes(UnsafePointer<UInt8>, room: Int, scales: UnsafePointer<UInt16>)

    /// Where numbers of a head, whose first of all heads' features is `feature`, begin that are kept of a token.
    static func place(_ token: Int, room: Int, feature: Int, width: Int) -> Int { room * feature + token * width }

    /// One head's features of some tokens; converted into `decoded` (as many floats) where need be.
    func lend(
        _ tokens: Range<Int>, head: Int, _ features: Range<Int>, into decoded: UnsafeMutablePointer<Float>
    ) -> MatrixView {
        let (first, width) = (tokens.lowerBound, features.count)
        func place(_ room: Int) -> Int {
            Self.place(first, room: room, feature: features.lowerBound, width: width)
        }
        switch self {
        case .floats(let all):
            return all.block(rows: tokens, columns: features)
        case .keptFloats(let kept, let room):
            return MatrixView(base: kept + place(room), rows: tokens.count, columns: width)
        case .halves(let patterns, let room):
            Kernels.best.halfToFloat(patterns + place(room), decoded, tokens.count * width)
        case .codes(let codes, let room, let scales):
            Kernels.best.dequantizeRow(
                codes + place(room), 8, scales + head * room + first, width, decoded, tokens.count * width)
        }
        return MatrixView(base: UnsafePointer(decoded), rows: tokens.count, columns: width)
    }
}

/// How keys and values are kept.
public enum CachePrecision: String, Sendable, CaseIterable {
    case f32
    /// IEEE binary16: half the bytes.
    case f16
    /// Integers of 8 bits with a binary16 scale for each token and head: about a quarter of the bytes.
    case int8

    /// Of a key's or a value's number.
    var numberBytes: Int {
        switch self {
        case .f32: 4
        case .f16: 2
        case .int8: 1
        }
    }
}
