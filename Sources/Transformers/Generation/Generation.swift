import Tensors

/// How a model continues a prompt.
public struct GenerationOptions: Sendable {
    public var maximumTokens: Int
    public var temperature: Double
    public var topP: Double
    public var seed: UInt64
    /// Tokens that end a text; they are not part of it.
    public var stopTokens: Set<Int>
    /// How the keys and values of earlier tokens are kept.
    public var cache: CachePrecision

    public init(
        maximumTokens: Int = 128, temperature: Double = 0, topP: Double = 1, seed: UInt64 = 0,
        stopTokens: Set<Int> = [], cache: CachePrecision = .f32
    ) {
        self.maximumTokens = maximumTokens
        self.temperature = temperature
        self.topP = topP
        self.seed = seed
        self.stopTokens = stopTokens
        self.cache = cache
    }
}

/// What a model wrote.
public struct Generation: Sendable, Equatable {
    public enum End: String, Sendable, Codable {
        case stopToken, maximumTokens
        /// The model has no position for another token.
        case contextFull
        /// The callback asked for it.
        case cancelled
    }

    /// The new tokens, without the prompt and without the stop token.
    public var tokens: [Int]
    public var end: End

    public init(tokens: [Int], end: End) {
        self.tokens = tokens
        self.end = end
    }
}

extension CausalModel {
    /// Continues a prompt, showing every new token to `onToken` as it comes; `false` from it ends the text.
    ///
    /// The same options give the same tokens on the same machine, whatever `context.threads` is.
    /// - Throws: `TransformersError.invalidOption`; `.emptySequence`, `.sequenceTooLong`, `.tokenOutOfRange` for the prompt.
    public func generate(
        _ prompt: [Int], options: GenerationOptions, context: ExecutionContext,
        onToken: (Int) -> Bool = { _ in true }
    ) throws -> Generation {
        try generate([prompt], options: options, context: context) { _, token in onToken(token) }[0]
    }

    /// Continues several prompts side by side, which is far cheaper than one after the other. Prompt i draws from its own
    /// stream of random numbers; `onToken` is given i and the token.
    /// - Throws: as above.
    public func generate(
        _ prompts: [[Int]], options: GenerationOptions, context: ExecutionContext,
        onToken: (Int, Int) -> Bool = { _, _ in true }
    ) throws -> [Generation] {
        guard options.maximumTokens >= 0 else {
            throw TransformersError.invalidOption(
                name: "maximum tokens", expected: "a number from 0", got: "\(options.maximumTokens)")
        }
        try check(prompts)
        var samplers = try prompts.indices.map {
            try Sampler(
                temperature: options.temperature, topP: options.topP,
                generator: SeededGenerator(seed: options.seed, stream: "prompt \($0)"))
        }
        var results = prompts.map { _ in Generation(tokens: [], end: .maximumTokens) }
        var active = options.maximumTokens > 0 ? Array(prompts.indices) : []
        var caches = active.map { _ in makeCache(options.cache) }
        var pending = active.map { prompts[$0] }
        while !active.isEmpty {
            let scores = try advance(pending, caches: &caches, context: context)
            var kept: [Int] = []
            pending = []
            for (row, prompt) in active.enumerated() {
                let logits = scores.elements[row * scores.columns..<(row + 1) * scores.columns]
                let token = samplers[prompt].next(logits)
                if options.stopTokens.contains(token) {
                    results[prompt].end = .stopToken
                    continue
                }
                results[prompt].tokens.append(token)
                if !onToken(prompt, token) {
                    results[prompt].end = .cancelled
                } else if results[prompt].tokens.count < options.maximumTokens {
                    if caches[row].count < maximumPositions {
                        kept.append(row)
                        pending.append([token])
                    } else {
                        results[prompt].end = .contextFull
                    }
                }
            }
            if kept.count < active.count {
                caches = kept.map { caches[$0] }
                active = kept.map { active[$0] }
            }
        }
        return results
    }
}
