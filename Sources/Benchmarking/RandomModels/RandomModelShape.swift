/// The sizes of a model whose weights are random: those of a published model of that many parameters.
package struct RandomModelShape: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        /// A causal language model: rotary positions, RMS norms, gated feed-forward layers.
        case llama
        /// A sentence encoder: learned positions, layer norms, biases, GELU.
        case bert
    }

    package let kind: Kind
    /// What the command line calls it: "110M".
    package let parameters: String
    package let layers: Int
    package let hiddenSize: Int
    package let heads: Int
    package let keyValueHeads: Int
    package let intermediateSize: Int
    package let vocabularySize: Int
    package let positions: Int
    /// Whether the embedding is the output head too.
    package let tiedEmbeddings: Bool

    package init(
        kind: Kind, parameters: String, layers: Int, hiddenSize: Int, heads: Int, keyValueHeads: Int, intermediateSize: Int,
        vocabularySize: Int, positions: Int, tiedEmbeddings: Bool
    ) {
        self.kind = kind
        self.parameters = parameters
        self.layers = layers
        self.hiddenSize = hiddenSize
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.intermediateSize = intermediateSize
        self.vocabularySize = vocabularySize
        self.positions = positions
        self.tiedEmbeddings = tiedEmbeddings
    }

    package var headDimension: Int { hiddenSize / heads }

    /// Llama: the shapes of the llama2.c stories models (Karpathy 2023) and of TinyLlama-1.1B (arXiv
    /// 2401.02385). BERT: all-MiniLM-L6-v2, and BERT base and large (arXiv 1810.04805).
    package static let all: [RandomModelShape] = [
        llama("15M", layers: 6, hidden: 288, heads: (6, 6), intermediate: 768, positions: 2048, tied: true),
        llama(
            "110M", layers: 12, hidden: 768, heads: (12, 12), intermediate: 2048, positions: 2048, tied: true),
        llama(
            "1B", layers: 22, hidden: 2048, heads: (32, 4), intermediate: 5632, positions: 2048, tied: false),
        bert("22M", layers: 6, hidden: 384, heads: 12, intermediate: 1536),
        bert("110M", layers: 12, hidden: 768, heads: 12, intermediate: 3072),
        bert("335M", layers: 24, hidden: 1024, heads: 16, intermediate: 4096),
    ]

    /// Names of the sizes there are of a kind.
    package static func sizes(of kind: Kind) -> [String] {
        all.filter { $0.kind == kind }.map { $0.parameters }
    }

    package static func named(_ parameters: String, kind: Kind) -> RandomModelShape? {
        all.first { $0.kind == kind && $0.parameters == parameters }
    }

    private static func llama(
        _ parameters: String, layers: Int, hidden: Int, heads: (query: Int, keyValue: Int), intermediate: Int,
        positions: Int, tied: Bool
    ) -> Self {
        Self(
            kind: .llama, parameters: parameters, layers: layers, hiddenSize: hidden, heads: heads.query,
            keyValueHeads: heads.keyValue, intermediateSize: intermediate, vocabularySize: 32_000,
            positions: positions,
            tiedEmbeddings: tied)
    }

    private static func bert(_ parameters: String, layers: Int, hidden: Int, heads: Int, intermediate: Int)
        -> Self
    {
        Self(
            kind: .bert, parameters: parameters, layers: layers, hiddenSize: hidden, heads: heads,
            keyValueHeads: heads,
            intermediateSize: intermediate, vocabularySize: 30_522, positions: 512, tiedEmbeddings: false)
    }
}
