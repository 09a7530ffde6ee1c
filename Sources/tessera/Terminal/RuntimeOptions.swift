import ArgumentParser
import StructuredMatrices
import Transformers

/// How far activations may be rounded on their way into a product.
enum ActivationsOption: String, CaseIterable, ExpressibleByArgument {
    case f32, bf16, int8

    var rounding: ActivationRounding {
        switch self {
        case .f32: .none
        case .bf16: .bf16
        case .int8: .int8
        }
    }
}

extension CachePrecision: ExpressibleByArgument {}

/// What a command that runs a model lets its user choose.
struct RuntimeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Inputs of matrices: f32 takes them as they are; bf16 rounds those of bf16 matrices to bf16 where the processor \
            multiplies these (AVX512_BF16: about twice as fast); int8 does that and rounds those of quantized matrices to 8 \
            bits with a scale per group (about three times).
            """))
    var activations = ActivationsOption.int8

    var preparation: PreparationOptions { PreparationOptions(activations: activations.rounding) }
}
