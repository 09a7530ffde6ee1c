import StructuredMatrices
import Tensors

/// How large a fitted matrix may be. A fitter takes the largest member of its family within the budget.
public enum SizeBudget: Sendable, Equatable, CustomStringConvertible {
    case parameters(Int)
    case multiplyAdds(Int)
    case storedBytes(Int)
    /// Of the dense matrix's multiply-adds, rounded down: 0.5 halves the work.
    case fraction(Double)

    public var description: String {
        switch self {
        case .parameters(let count): "a budget of \(count) parameters"
        case .multiplyAdds(let count): "a budget of \(count) multiply-adds"
        case .storedBytes(let count): "a budget of \(count) bytes"
        case .fraction(let fraction): "a budget of \(fraction) of the dense multiply-adds"
        }
    }

    /// Whether a matrix of this cost and shape is within the budget.
    public func allows(_ cost: Cost, shape: MatrixShape) -> Bool {
        switch self {
        case .parameters(let count): cost.parameters <= count
        case .multiplyAdds(let count): cost.multiplyAdds <= count
        case .storedBytes(let count): cost.storedBytes <= count
        // A tenth of a multiply-add forgives the rounding of fractions such as 0.1 and 0.7.
        case .fraction(let fraction): Double(cost.multiplyAdds) <= fraction * Double(shape.count) + 0.1
        }
    }

    /// The largest size in `sizes` whose cost fits, where cost grows with size.
    /// - Throws: `FittingError.budgetBelowMinimum` when not even the smallest does.
    package func largest(
        in sizes: ClosedRange<Int>, family: Family, shape: MatrixShape, matrix: String, cost: (Int) -> Cost
    ) throws -> Int {
        guard allows(cost(sizes.lowerBound), shape: shape) else {
            throw FittingError.budgetBelowMinimum(
                matrix: matrix, family: family.name, shape: shape, budget: self,
                minimum: cost(sizes.lowerBound))
        }
        var (fits, tooLarge) = (sizes.lowerBound, sizes.upperBound + 1)
        while tooLarge - fits > 1 {
            let middle = fits + (tooLarge - fits) / 2
            if allows(cost(middle), shape: shape) { fits = middle } else { tooLarge = middle }
        }
        return fits
    }
}

extension Cost {
    /// The cost of a family whose parameters are all factors in one precision, each used once for each input
    /// row.
    package static func factors(_ count: Int, multiplyAdds: Int? = nil, precision: Precision) -> Cost {
        Cost(
            parameters: count, storedBytes: count * precision.elementType.byteCount,
            multiplyAdds: multiplyAdds ?? count)
    }
}
