import StructuredMatrices
import Tensors

/// Budgets for the parts of a composed matrix.
extension SizeBudget {
    /// What is left of the budget of a matrix of `shape` when `cost` is spent; below zero when it is overdrawn.
    package func remaining(after cost: Cost, shape: MatrixShape) -> SizeBudget {
        switch self {
        case .parameters(let count): .parameters(count - cost.parameters)
        case .multiplyAdds(let count): .multiplyAdds(count - cost.multiplyAdds)
        case .storedBytes(let count): .storedBytes(count - cost.storedBytes)
        case .fraction: .multiplyAdds(multiplyAdds(of: shape) - cost.multiplyAdds)
        }
    }

    /// A share of the budget of a matrix of `shape`, rounded down.
    package func share(_ share: Double, shape: MatrixShape) -> SizeBudget {
        // Not multiplied by 1: the largest integers are not exact as a Double.
        func part(_ count: Int) -> Int { share < 0.999 ? Int((Double(count) * max(0, share)).rounded(.down)) : count }
        return switch self {
        case .parameters(let count): .parameters(part(count))
        case .multiplyAdds(let count): .multiplyAdds(part(count))
        case .storedBytes(let count): .storedBytes(part(count))
        case .fraction: .multiplyAdds(part(multiplyAdds(of: shape)))
        }
    }

    /// Of a budget that is a fraction: the multiply-adds it allows.
    private func multiplyAdds(of shape: MatrixShape) -> Int {
        guard case .fraction(let fraction) = self else { return 0 }
        // Fractions far above 1 allow anything; the bound keeps the conversion from trapping.
        return Int(min(max(fraction, 0), 1000) * Double(shape.count) + 0.1)
    }
}

extension Cost {
    /// Of a low-rank matrix.
    package static func lowRank(_ rank: Int, shape: MatrixShape, precision: Precision) -> Cost {
        .factors(rank * (shape.rows + shape.columns), precision: precision)
    }
}
