import ModelFiles

extension Architecture {
    /// Mistral (Jiang et al. 2023): Llama whose tokens attend to a window of those before them.
    static let mistral = Architecture(name: "mistral") { file, _, tensors in
        var configuration = try LlamaConfiguration(file)
        configuration.biases = []
        (configuration.sizeKeys.attentionBias, configuration.sizeKeys.feedForwardBias) = (nil, nil)
        if file.contains("sliding_window") {
            let window = try file.size("sliding_window")
            configuration.windows = configuration.windows.map { _ in window }
        }
        return try CausalTransformer(configuration: configuration, tensors: tensors)
    }
}
