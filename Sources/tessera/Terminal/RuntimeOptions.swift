import ArgumentParser
import StructuredMatrices
import Transformers

/// How activations enter products with quantized weights.
enum ActivationsOption: String, CaseIterable, ExpressibleByArgument {
    case f32, int8

    var rounding: ActivationRounding { self == .int8 ? .int8 : .none }
}

extension CachePrecision: ExpressibleByArgument {}

/// What a command that runs a model lets its user choose.
struct RuntimeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Inputs of quantized matrices: int8 rounds them to 8 bits with a scale per group, f32 takes them as they are."))
    var activations = ActivationsOption.int8

    var preparation: PreparationOptions { PreparationOptions(activations: activations.rounding) }
}
