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
    let embeddingNorm: LayerNorm
    var layers: [Layer]

    struct Layer: Sendable {
        var query: Linear
        var key: Linear
        var value: Linear
        var attentionOutput: Linear
        let attentionNorm: LayerNorm
        var intermediate: Linear
        var output: Linear
        let outputNorm: LayerNorm
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
        let tables = [
            Location(name: "\(prefix)embeddings.word_embeddings", role: .embedding, input: nil, path: \.wordEmbeddings),
            Location(name: "\(prefix)embeddings.position_embeddings", role: .embedding, input: nil, path: \.positionEmbeddings),
        ]
        return tables + layers.indices.flatMap { index in
            let base = Self.layerName(prefix, index)
            let inputs = LayerInputs(base)
            return [
                Location(name: "\(base).attention.self.query", role: .linear, input: inputs.attention, path: \.layers[index].query.weight),
                Location(name: "\(base).attention.self.key", role: .linear, input: inputs.attention, path: \.layers[index].key.weight),
                Location(name: "\(base).attention.self.value", role: .linear, input: inputs.attention, path: \.layers[index].value.weight),
                Location(name: "\(base).attention.output.dense", role: .linear, input: inputs.attentionOutput, path: \.layers[index].attentionOutput.weight),
                Location(name: "\(base).intermediate.dense", role: .linear, input: inputs.intermediate, path: \.layers[index].intermediate.weight),
                Location(name: "\(base).output.dense", role: .linear, input: inputs.output, path: \.layers[index].output.weight),
            ]
        }
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
