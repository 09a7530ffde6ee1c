import ModelFiles

extension Architecture {
    /// Qwen3 (Yang et al. 2025): Llama whose query and key heads are normalised before they are turned.
    static let qwen3 = Architecture(name: "qwen3") { folder, tensors in
        var configuration = try LlamaConfiguration(folder.configuration, defaultHeadWidth: 128)
        configuration.normalizesHeads = true
        configuration.biases.subtract(BlockPlan.feedForwardBiases)
        try configuration.readQwenWindows(folder.configuration)
        return try CausalTransformer(configuration: configuration, tensors: tensors)
    }
}
