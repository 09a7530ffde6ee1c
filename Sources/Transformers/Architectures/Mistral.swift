import ModelFiles

extension Architecture {
    /// Mistral (Jiang et al. 2023): Llama whose tokens attend to a window of those before them.
    static let mistral = Architecture(name: "mistral") { file, _, tensors in
        var configuration = try LlamaConfiguration(file)
        configuration.biases = []
        (configuration.sizeKeys.attentionBias, configuration.sizeKeys.feedForwardBias) = (nil, nil)
        // Null is none; a file that does not say has the window of the first model.
        if file.contains("sliding_window") || file.root["sliding_window"] == nil {
            let window = try file.size("sliding_window", default: 4096)
            configuration.windows = configuration.windows.map { _ in window }
        }
        return try CausalTransformer(configuration: configuration, tensors: tensors)
    }
}
