import Foundation

/// The element-wise function of a feed-forward part.
public enum Activation: String, Sendable, Hashable, CaseIterable {
    /// x Phi(x), Phi the normal distribution function (Hendrycks, Gimpel 2016).
    case gelu
    /// The same with Phi by the hyperbolic tangent: GPT-2's "gelu_new".
    case geluTanh = "gelu-tanh"
    case relu
    /// x / (1 + e^-x), also called swish.
    case silu

    public func value(_ x: Double) -> Double {
        switch self {
        case .gelu: 0.5 * x * erfc(-x * 0.5.squareRoot())
        case .geluTanh: 0.5 * x * (1 + tanh(Self.tanhArgument(x)))
        case .relu: max(0, x)
        case .silu: x / (1 + exp(-x))
        }
    }

    /// What the hyperbolic tangent of `geluTanh` is taken of.
    package static func tanhArgument(_ x: Double) -> Double { (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x) }
}
