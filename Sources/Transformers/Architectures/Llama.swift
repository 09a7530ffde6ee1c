import StructuredMatrices
import Tensors

/// Llama (Touvron et al. 2023): RMSNorm before each part, rotary positions, grouped-query attention, SwiGLU,
/// the output head tied to the embeddings or its own.
public struct LlamaModel: CausalModel {
    public static let architecture = "llama"

    public let configuration: LlamaConfiguration
    /// What precedes "embed_tokens" and "layers." in the checkpoint's names: "model." or "".
    let prefix: String

    var embedding: any StructuredMatrix {
        didSet { tiedHead = Linear(weight: embedding) }
    }
    /// The embedding as the head, where that has no weight of its own.
    var tiedHead: Linear
    var layers: [Layer]
    var finalNorm: RMSNorm
    /// Nil when the embedding is the head.
    var head: Linear?

    struct Layer: Sendable {
        var attentionNorm: RMSNorm
        var query: Linear
        var key: Linear
        var value: Linear
        var attentionOutput: Linear
        var feedForwardNorm: RMSNorm
        var gate: Linear
        var up: Linear
        var down: Linear
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var maximumPositions: Int { configuration.maximumPositions }

    public func makeCache(_ precision: CachePrecision) -> KeyValueCache {
        KeyValueCache(
            layers: layers.count, heads: configuration.keyValueHeads, headDimension: configuration.headDimension,
            precision: precision)
    }

    public mutating func prepare(_ options: PreparationOptions, context: ExecutionContext) {
        let linears: [WritableKeyPath<Layer, Linear>] = [
            \.query, \.key, \.value, \.attentionOutput, \.gate, \.up, \.down,
        ]
        let weights = layers.flatMap { layer in linears.map { layer[keyPath: $0].weight } } + [headLinear.weight]
        let products = preparedProducts(weights, options, context: context)
        for index in layers.indices {
            for (offset, linear) in linears.enumerated() {
                layers[index][keyPath: linear].prepared = products[index * linears.count + offset]
            }
        }
        if head != nil { head?.prepared = products.last } else { tiedHead.prepared = products.last }
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
        let embeddingInput = head == nil ? Self.headInput : nil
        var result = [
            Location(
                name: "\(prefix)embed_tokens", role: .embedding, input: embeddingInput, path: \.embedding)
        ]
        for index in layers.indices {
            let base = Self.layerName(prefix, index)
            let inputs = LayerInputs(base)
            func add(
                _ name: String, _ input: String,
                _ path: WritableKeyPath<Self, any StructuredMatrix> & Sendable
            ) {
                result.append(Location(name: "\(base).\(name)", role: .linear, input: input, path: path))
            }
            add("self_attn.q_proj", inputs.attention, \.layers[index].query.weight)
            add("self_attn.k_proj", inputs.attention, \.layers[index].key.weight)
            add("self_attn.v_proj", inputs.attention, \.layers[index].value.weight)
            add("self_attn.o_proj", inputs.attentionOutput, \.layers[index].attentionOutput.weight)
            add("mlp.gate_proj", inputs.feedForward, \.layers[index].gate.weight)
            add("mlp.up_proj", inputs.feedForward, \.layers[index].up.weight)
            add("mlp.down_proj", inputs.down, \.layers[index].down.weight)
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
