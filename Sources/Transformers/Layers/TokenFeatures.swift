import Tensors

/// The keys or the values of a sequence's tokens in one layer, in the precision they are kept in.
enum TokenFeatures {
    /// tokens x the features of all heads.
    case floats(MatrixView)
    /// The same as IEEE binary16 patterns, `width` apart from token to token.
    case halves(UnsafePointer<UInt16>, width: Int)
    /// The same as integers q + 128, `width` apart, with a binary16 scale for each token and head.
    case codes(UnsafePointer<UInt8>, width: Int, scales: UnsafePointer<UInt16>, heads: Int)

    /// One head's features of some tokens; converted into `decoded` (as many floats) where need be.
    func lend(
        _ tokens: Range<Int>, head: Int, _ features: Range<Int>, into decoded: UnsafeMutablePointer<Float>
    ) -> MatrixView {
        let (feature, headDimension) = (features.lowerBound, features.count)
        switch self {
        case .floats(let all):
            return all.block(rows: tokens, columns: features)
        case .halves(let patterns, let width):
            for (row, token) in tokens.enumerated() {
                Kernels.best.halfToFloat(
                    patterns + token * width + feature, decoded + row * headDimension, headDimension)
            }
        case .codes(let codes, let width, let scales, let heads):
            for (row, token) in tokens.enumerated() {
                Kernels.best.dequantizeRow(
                    codes + token * width + feature, 8, scales + token * heads + head, headDimension,
                    decoded + row * headDimension, headDimension)
            }
        }
        return MatrixView(base: UnsafePointer(decoded), rows: tokens.count, columns: headDimension)
    }
}

/// How keys and values are kept.
public enum CachePrecision: String, Sendable, CaseIterable {
    case f32
    /// IEEE binary16: half the bytes.
    case f16
    /// Integers of 8 bits with a binary16 scale for each token and head: about a quarter of the bytes.
    case int8
}
