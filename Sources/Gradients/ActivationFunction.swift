import Foundation

/// The element-wise function of a feed-forward part, with its derivative.
public enum ActivationFunction: String, Sendable, CaseIterable {
    /// x Phi(x), Phi the normal distribution function (Hendrycks, Gimpel 2016).
    case gelu
    /// The same by the hyperbolic tangent: GPT-2's "gelu_new".
    case geluTanh = "gelu-tanh"
    case relu
    /// x / (1 + e^-x), also called swish.
    case silu

    public func value(_ x: Double) -> Double {
        switch self {
        case .gelu: 0.5 * x * erfc(-x * 0.5.squareRoot())
        case .geluTanh: 0.5 * x * (1 + tanh(Self.inner(x)))
        case .relu: max(0, x)
        case .silu: x / (1 + exp(-x))
        }
    }

    public func derivative(_ x: Double) -> Double {
        switch self {
        case .gelu:
            return 0.5 * erfc(-x * 0.5.squareRoot()) + x * exp(-0.5 * x * x) / (2 * Double.pi).squareRoot()
        case .geluTanh:
            let tangent = tanh(Self.inner(x))
            let slope = (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * x * x)
            return 0.5 * (1 + tangent) + 0.5 * x * (1 - tangent * tangent) * slope
        case .relu:
            return x > 0 ? 1 : 0
        case .silu:
            let share = 1 / (1 + exp(-x))
            return share * (1 + x * (1 - share))
        }
    }

    private static func inner(_ x: Double) -> Double { (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x) }
}
