import Foundation
import Tensors

extension Activation {
    public func derivative(_ x: Double) -> Double {
        switch self {
        case .gelu:
            return 0.5 * erfc(-x * 0.5.squareRoot()) + x * exp(-0.5 * x * x) / (2 * Double.pi).squareRoot()
        case .geluTanh:
            let tangent = tanh(Self.tanhArgument(x))
            let slope = (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * x * x)
            return 0.5 * (1 + tangent) + 0.5 * x * (1 - tangent * tangent) * slope
        case .relu:
            return x > 0 ? 1 : 0
        case .silu:
            let share = 1 / (1 + exp(-x))
            return share * (1 + x * (1 - share))
        }
    }
}
