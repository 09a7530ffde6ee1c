import StructuredMatrices
import Tensors

/// Llama (Touvron et al. 2023): RMSNorm before each part, rotary positions, grouped-query attention, SwiGLU,
/// the output head tied to the embeddings or its own.
public struct LlamaModel: CausalModel {
    public static let architecture = "llama"

    public let configuration: LlamaConfiguration
    /// What precedes "embed_tokens" and "layers." in the checkpoint's names: "model." or "".
    let prefix: String

    var embedding: any StructuredMatrix
    var layers: [Layer]
    let finalNorm: RMSNorm
    /// Nil when the embedding is the head.
    var head: Linear?

    struct Layer: Sendable {
        let attentionNorm: RMSNorm
        var query: Linear
        var key: Linear
        var value: Linear
        var attentionOutput: Linear
        let feedForwardNorm: RMSNorm
        var gate: Linear
        var up: Linear
        var down: Linear
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var maximumPositions: Int { configuration.maximumPositions }

    public func makeCache() -> KeyValueCache {
        KeyValueCache(layers: layers.count, width: configuration.keyValueHeads * configuration.headDimension)
    }
}

extension LlamaModel {
    public var sites: [MatrixSite] { locations.map { $0.site(in: self) } }

    public subscript(site name: String) -> any StructuredMatrix {
        get { self[keyPath: location(name).path] }
        set { self[keyPath: location(name).path] = newValue }
    }

    private func location(_ name: String) -> SiteLocation<Self> {
        guard let location = locations.first(where: { $0.name == name }) else {
            preconditionFailure("no matrix '\(name)' in this model")
        }
        return location
    }

    /// The head's weight where it has one of its own; only reached through `locations`, which then lists it.
    private var headWeight: any StructuredMatrix {
        get { head?.weight ?? embedding }
        set { if head != nil { head?.weight = newValue } else { embedding = newValue } }
    }

    private var locations: [SiteLocation<Self>] {
        typealias Location = SiteLocation<Self>
        var result = [
            Location(
                name: "\(prefix)embed_tokens", role: .embedding, input: head == nil ? Self.headInput : nil, path: \.embedding)
        ]
        for index in layers.indices {
            let base = Self.layerName(prefix, index)
            let inputs = LayerInputs(base)
            result += [
                Location(name: "\(base).self_attn.q_proj", role: .linear, input: inputs.attention, path: \.layers[index].query.weight),
                Location(name: "\(base).self_attn.k_proj", role: .linear, input: inputs.attention, path: \.layers[index].key.weight),
                Location(name: "\(base).self_attn.v_proj", role: .linear, input: inputs.attention, path: \.layers[index].value.weight),
                Location(name: "\(base).self_attn.o_proj", role: .linear, input: inputs.attentionOutput, path: \.layers[index].attentionOutput.weight),
                Location(name: "\(base).mlp.gate_proj", role: .linear, input: inputs.feedForward, path: \.layers[index].gate.weight),
                Location(name: "\(base).mlp.up_proj", role: .linear, input: inputs.feedForward, path: \.layers[index].up.weight),
                Location(name: "\(base).mlp.down_proj", role: .linear, input: inputs.down, path: \.layers[index].down.weight),
            ]
        }
        if head != nil {
            result.append(Location(name: "lm_head", role: .linear, input: Self.headInput, path: \.headWeight))
        }
        return result
    }

    static let headInput = "head input"
    static func layerName(_ prefix: String, _ index: Int) -> String { "\(prefix)layers.\(index)" }

    /// The names of a layer's distinct linear inputs.
    struct LayerInputs {
        let attention, attentionOutput, feedForward, down: String

        init(_ layer: String) {
            attention = "\(layer).self_attn input"
            attentionOutput = "\(layer).self_attn.o_proj input"
            feedForward = "\(layer).mlp input"
            down = "\(layer).mlp.down_proj input"
        }
    }
}
