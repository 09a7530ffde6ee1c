/// How small the model must become: a share of one quantity of the selected matrices.
public struct Budget: Sendable, Equatable {
    public enum Quantity: String, Sendable, Equatable {
        /// Everything stored (factors, codes, scales) over the same matrices in f16.
        case bytes
        /// Multiply-adds for one token over those of the dense matrices.
        case multiplyAdds = "multiply-adds"
    }

    public let quantity: Quantity
    /// In (0, 1].
    public let fraction: Double

    public init(quantity: Quantity, fraction: Double) {
        self.quantity = quantity
        self.fraction = fraction
    }

    /// Reads "50%", "12.5 %" or "0.5".
    /// - Throws: `CompressionError.invalidBudget`.
    public init(_ text: String, quantity: Quantity) throws {
        let trimmed = text.filter { !$0.isWhitespace }
        let percent = trimmed.hasSuffix("%")
        guard let number = Double(percent ? String(trimmed.dropLast()) : trimmed), number.isFinite else {
            throw CompressionError.invalidBudget(text: text, reason: "expected a share such as 50% or 0.5")
        }
        let fraction = percent ? number / 100 : number
        guard fraction > 0, fraction <= 1 else {
            throw CompressionError.invalidBudget(text: text, reason: "expected more than 0% and at most 100%")
        }
        self.init(quantity: quantity, fraction: fraction)
    }
}
