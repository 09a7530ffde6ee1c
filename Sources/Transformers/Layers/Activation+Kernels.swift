import Foundation
import ModelFiles
import Tensors

extension Activation {
    /// By the names that Hugging Face's configurations use.
    private static let names: [String: Activation] = [
        "gelu": .gelu, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh, "gelu_fast": .geluTanh, "relu": .relu,
        "silu": .silu, "swish": .silu,
    ]

    /// The activation that a key names; absent means `defaultName`.
    /// - Throws: `TransformersError.unsupportedSetting`, `ModelFileError.wrongValue`.
    static func read(_ file: ModelConfiguration, _ key: String, default defaultName: String) throws -> Activation {
        let name = try file.string(key, default: defaultName)
        guard let activation = names[name] else {
            throw TransformersError.unsupportedSetting(
                file: file.file, key: key, got: quotedForMessage(name),
                supported: names.keys.sorted().joined(separator: ", "))
        }
        return activation
    }

    /// x <- activation(x + bias), `count` numbers.
    func apply(_ x: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>?, count: Int) {
        let kernels = Kernels.best
        if self == .gelu { return kernels.gelu(x, bias, count) }
        if let bias { kernels.add(x, bias, count) }
        switch self {
        case .gelu: break
        case .geluTanh: kernels.geluTanh(x, count)
        case .relu: for index in 0..<count { x[index] = max(x[index], 0) }
        case .silu: for index in 0..<count { x[index] /= 1 + exp(-x[index]) }
        }
    }

    /// gate <- activation(gate) * up, `count` numbers.
    func apply(gate: UnsafeMutablePointer<Float>, up: UnsafePointer<Float>, count: Int) {
        if self == .silu { return Kernels.best.siluMultiply(gate, up, gate, count) }
        apply(gate, bias: nil, count: count)
        Kernels.best.multiplyElements(gate, up, gate, count)
    }
}
