import Fitting
import StructuredMatrices

/// How large a method may make a matrix, said for matrices of any shape.
public enum SizeShare: Sendable, Hashable {
    /// A share, in (0, 1], of a quantity of the dense matrix.
    case share(Double, of: Quantity)
    /// So many bits for each weight, and the bytes of one 16-bit scale for every 32 weights of a row.
    case bits(Int)

    public enum Quantity: String, Sendable, CaseIterable {
        /// Of the dense matrix in f16.
        case bytes
        case parameters
        case multiplyAdds = "multiply-adds"
    }

    /// Reads "50%" or "0.5".
    /// - Throws: `CompressionError.invalidBudget`.
    public init(_ text: String, of quantity: Quantity) throws {
        self = .share(try Budget(text, quantity: .bytes).fraction, of: quantity)
    }

    /// The budget that a fitter is given, rounded down.
    public func budget(for shape: MatrixShape) -> SizeBudget {
        // A hundredth forgives the rounding of shares such as 0.7.
        func amount(_ share: Double, of whole: Int) -> Int { Int((share * Double(whole) + 0.01).rounded(.down)) }
        return switch self {
        case .share(let share, of: .bytes): .storedBytes(amount(share, of: 2 * shape.count))
        case .share(let share, of: .parameters): .parameters(amount(share, of: shape.count))
        case .share(let share, of: .multiplyAdds): .multiplyAdds(amount(share, of: shape.count))
        case .bits(let bits):
            .storedBytes(shape.rows * ((shape.columns * bits + 7) / 8 + 2 * ((shape.columns + 31) / 32)))
        }
    }

    /// "50 % of parameters", "4 bits".
    public var text: String {
        switch self {
        case .share(let share, let quantity): "\((share * 100_000).rounded() / 1000)".droppingPointZero + " % of \(quantity.rawValue)"
        case .bits(let bits): bits == 1 ? "1 bit" : "\(bits) bits"
        }
    }
}

extension String {
    fileprivate var droppingPointZero: String { hasSuffix(".0") ? String(dropLast(2)) : self }
}
