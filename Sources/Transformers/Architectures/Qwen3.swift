import ModelFiles

extension Architecture {
    /// Qwen3 (Yang et al. 2025): Llama whose query and key heads are normalised before they are turned.
    static let qwen3 = Architecture(name: "qwen3") { file, _, tensors in
        var configuration = try LlamaConfiguration(file, defaultHeadWidth: 128)
        configuration.normalizesHeads = true
        configuration.sizeKeys.feedForwardBias = nil
        configuration.biases.subtract(BlockPlan.feedForwardBiases)
        try configuration.readQwenWindows(file)
        return try CausalTransformer(configuration: configuration, tensors: tensors)
    }
}
