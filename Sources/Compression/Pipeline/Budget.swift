import StructuredMatrices

/// How small or fast the model must become: a share of one quantity.
public struct Budget: Sendable, Hashable {
    public enum Quantity: String, Sendable, Equatable, CaseIterable {
        /// Everything stored (factors, codes, scales) over the same matrices in f16.
        case bytes
        /// Multiply-adds for one token over those of the dense matrices.
        case multiplyAdds = "multiply-adds"
        /// Time of the whole model over that of the dense model, on this machine.
        case latency

        /// What amounts are counted in.
        public var unit: String { self == .latency ? "nanoseconds" : rawValue }
    }

    public let quantity: Quantity
    /// In (0, 1].
    public let fraction: Double

    public init(quantity: Quantity, fraction: Double) {
        self.quantity = quantity
        self.fraction = fraction
    }

    /// Reads "50%", "12.5 %" or "0.5"; a latency also as "0.6x".
    /// - Throws: `CompressionError.invalidBudget`.
    public init(_ text: String, quantity: Quantity) throws {
        var number = text.filter { !$0.isWhitespace }
        let isPercent = number.hasSuffix("%")
        if isPercent || (quantity == .latency && number.hasSuffix("x")) { number.removeLast() }
        guard let value = Double(number), value.isFinite else {
            let forms = quantity == .latency ? "60%, 0.6 or 0.6x" : "50% or 0.5"
            throw CompressionError.invalidBudget(text: text, reason: "expected a share such as \(forms)")
        }
        let fraction = isPercent ? value / 100 : value
        guard fraction > 0, fraction <= 1 else {
            throw CompressionError.invalidBudget(text: text, reason: "expected more than 0% and at most 100%")
        }
        self.init(quantity: quantity, fraction: fraction)
    }
}

extension Cost {
    /// What a budget counts of it; latency is no matter of the cost alone and is 0 here.
    public func amount(of quantity: Budget.Quantity) -> Int {
        switch quantity {
        case .bytes: storedBytes
        case .multiplyAdds: multiplyAdds
        case .latency: 0
        }
    }
}
