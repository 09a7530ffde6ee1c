import Tensors

/// One prompt's answer written by the neurons that mattered for the prompt, some tokens at a time, each run of them checked by
/// the whole model in one pass (Sirius, arXiv 2409.03856, with coarse selection).
///
/// What is written differs from the whole model's text where that finds a token likely enough, unlike with speculative
/// decoding. Each prompt has neurons of its own, so there is no batch.
public struct ContextualSparsity: Sendable, Equatable {
    /// Share of each feed-forward network's neurons that write, more than 0 and at most 1.
    public var share: Double
    /// Tokens between two checks; nil never checks: the neurons that were chosen write on their own.
    public var kernel: Int?
    /// A token to which the whole model gives less than this goes, with all behind it, and the whole model's own comes in its
    /// place. More than 1: every token is the whole model's.
    public var threshold: Double
    /// Of the whole model's probabilities in this comparison.
    public var temperature: Double

    /// A longer kernel would be no pass of a few tokens.
    public static let longestKernel = 256

    public init(share: Double = 0.5, kernel: Int? = 16, threshold: Double = 0.1, temperature: Double = 0.6) {
        self.share = share
        self.kernel = kernel
        self.threshold = threshold
        self.temperature = temperature
    }

    /// - Throws: `TransformersError.invalidOption`.
    package func check() throws {
        func refuse(_ name: String, _ expected: String, _ got: String) -> TransformersError {
            .invalidOption(name: name, expected: expected, got: got)
        }
        guard share > 0, share <= 1 else { throw refuse("share of neurons", "more than 0, at most 1", "\(share)") }
        if let kernel, !(1...Self.longestKernel).contains(kernel) {
            throw refuse("kernel", "1 to \(Self.longestKernel) tokens", "\(kernel)")
        }
        guard threshold >= 0, threshold.isFinite else { throw refuse("threshold", "a number from 0", "\(threshold)") }
        guard temperature > 0, temperature.isFinite else {
            throw refuse("temperature of the check", "a number above 0", "\(temperature)")
        }
    }
}

/// A text that was written so, and what it took.
public struct SparseGeneration: Sendable {
    public var generation: Generation
    /// Of each block, those that wrote, ascending.
    public let neurons: [[Int]]
    public let work: Work
    /// What the model that wrote last has seen: the prompt and the text but for its last token. Where texts are checked, keys
    /// and values are the whole model's.
    public let cache: KeyValueCache

    /// Steps of either model after the prompt's pass.
    public struct Work: Sendable, Equatable {
        /// Multiply-adds with weights for one token: of the whole model, and of its part that writes.
        public let fullMultiplyAdds: Int
        public let sparseMultiplyAdds: Int
        /// Tokens that the part wrote, and passes of the whole model with the tokens that these checked.
        public var sparseTokens = 0
        public var passes = 0
        public var checkedTokens = 0
        /// Tokens of the text that came of it: all but the first, which is the prompt's pass'.
        public var tokens = 0

        init(fullMultiplyAdds: Int, sparseMultiplyAdds: Int) {
            self.fullMultiplyAdds = fullMultiplyAdds
            self.sparseMultiplyAdds = sparseMultiplyAdds
        }

        /// Of the model that writes.
        public var density: Double { Double(sparseMultiplyAdds) / Double(max(1, fullMultiplyAdds)) }
        /// Tokens of the text for every pass of the whole model; nil where there was none.
        public var tokensPerPass: Double? { passes > 0 ? Double(tokens) / Double(passes) : nil }
        /// Weights that are read for a token of the text, relative to the whole model's:
        /// (density * tokens written + passes) / tokens. A pass reads the weights once, however many tokens it checks.
        public var effectiveDensity: Double {
            (density * Double(sparseTokens) + Double(passes)) / Double(max(1, tokens))
        }
        /// Multiply-adds for a token of the text, relative to the whole model's.
        public var effectiveMultiplyAdds: Double {
            (density * Double(sparseTokens) + Double(checkedTokens)) / Double(max(1, tokens))
        }
    }
}
