import ModelFiles

extension Architecture {
    /// Qwen2 (Yang et al. 2024): Llama with biases of queries, keys and values, and a window in the later blocks where the
    /// configuration asks for one.
    static let qwen2 = Architecture(name: "qwen2") { file, _, tensors in
        var configuration = try LlamaConfiguration(file)
        configuration.biases = [.query, .key, .value]
        (configuration.sizeKeys.attentionBias, configuration.sizeKeys.feedForwardBias) = (nil, nil)
        try configuration.readQwenWindows(file)
        return try CausalTransformer(configuration: configuration, tensors: tensors)
    }
}

extension LlamaConfiguration {
    /// `layer_types` says for each block whether it has the window; before there was such a key, those from
    /// `max_window_layers` on had it.
    /// - Throws: `ModelFileError.wrongValue`, `TransformersError.unsupportedSetting`.
    mutating func readQwenWindows(_ file: ModelConfiguration) throws {
        let (firstKey, defaultFirst) = ("max_window_layers", 28)
        sizeKeys.leadingBlocks = [firstKey: defaultFirst]
        guard try file.bool("use_sliding_window", default: false), file.contains("sliding_window") else { return }
        let window = try file.size("sliding_window")
        let first = try file.integer(firstKey, default: defaultFirst)
        let types = file.value("layer_types")?.arrayValue?.map(\.stringValue)
        if let types, types.count != windows.count || types.contains(where: { !Self.layerTypes.contains($0 ?? "") }) {
            throw TransformersError.unsupportedSetting(
                file: file.file, key: "layer_types", got: "\(types.count) entries",
                supported: "for each of the \(windows.count) blocks one of \(Self.layerTypes.joined(separator: ", "))")
        }
        for index in windows.indices {
            windows[index] = (types.map { $0[index] == Self.layerTypes[1] } ?? (index >= first)) ? window : nil
        }
    }

    private static let layerTypes = ["full_attention", "sliding_attention"]
}
