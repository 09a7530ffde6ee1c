import ModelFiles
import StructuredMatrices
import Tensors

/// BERT (Devlin et al. 2019) as a sentence encoder: post-norm layers, erf GELU, one vector per sequence by pooling
/// (Reimers, Gurevych 2019).
public struct BertEncoder: EncoderModel {
    public static let architecture = "bert"

    public let configuration: BertConfiguration
    /// How the vectors of a sequence's tokens become one, and where texts are cut.
    public let layout: SentenceEmbeddingLayout
    /// What precedes "embeddings." and "encoder." in the checkpoint's names: "" or "bert.".
    let prefix: String

    var wordEmbeddings: any StructuredMatrix
    var positionEmbeddings: any StructuredMatrix
    /// The row of token type 0, the only type used here.
    let typeEmbedding: [Float]
    var embeddingNorm: LayerNorm
    var layers: [Layer]

    struct Layer: Sendable {
        var query: Linear
        var key: Linear
        var value: Linear
        var attentionOutput: Linear
        var attentionNorm: LayerNorm
        var intermediate: Linear
        var output: Linear
        var outputNorm: LayerNorm
    }

    public mutating func prepare(_ options: PreparationOptions, context: ExecutionContext) {
        let linears: [WritableKeyPath<Layer, Linear>] = [
            \.query, \.key, \.value, \.attentionOutput, \.intermediate, \.output,
        ]
        let weights = layers.flatMap { layer in linears.map { layer[keyPath: $0].weight } }
        let products = preparedProducts(weights, options, context: context)
        for index in layers.indices {
            for (offset, linear) in linears.enumerated() {
                layers[index][keyPath: linear].prepared = products[index * linears.count + offset]
            }
        }
    }

    public var dimension: Int { configuration.hiddenSize }
    public var vocabularySize: Int { configuration.vocabularySize }
    public var maximumPositions: Int { configuration.maximumPositions }
    public var maximumTokens: Int { min(layout.maximumSequenceLength ?? maximumPositions, maximumPositions) }
}

extension BertEncoder {
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

    private var locations: [SiteLocation<Self>] {
        typealias Location = SiteLocation<Self>
        let embeddings = "\(prefix)embeddings"
        var result = [
            Location(
                name: "\(embeddings).word_embeddings", role: .embedding, input: nil, path: \.wordEmbeddings),
            Location(
                name: "\(embeddings).position_embeddings", role: .embedding, input: nil,
                path: \.positionEmbeddings),
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
            add("attention.self.query", inputs.attention, \.layers[index].query.weight)
            add("attention.self.key", inputs.attention, \.layers[index].key.weight)
            add("attention.self.value", inputs.attention, \.layers[index].value.weight)
            add("attention.output.dense", inputs.attentionOutput, \.layers[index].attentionOutput.weight)
            add("intermediate.dense", inputs.intermediate, \.layers[index].intermediate.weight)
            add("output.dense", inputs.output, \.layers[index].output.weight)
        }
        return result
    }

    static func layerName(_ prefix: String, _ index: Int) -> String { "\(prefix)encoder.layer.\(index)" }

    /// The names of a layer's distinct linear inputs.
    struct LayerInputs {
        let attention, attentionOutput, intermediate, output: String

        init(_ layer: String) {
            attention = "\(layer).attention.self input"
            attentionOutput = "\(layer).attention.output.dense input"
            intermediate = "\(layer).intermediate.dense input"
            output = "\(layer).output.dense input"
        }
    }
}
