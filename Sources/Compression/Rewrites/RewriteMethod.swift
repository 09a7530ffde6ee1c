import Rewriting

/// A way to narrow coupled matrices: which units are weighed how, what takes over the work of those that go, and how the
/// blocks share what has to go. A paper's method is one of these; none names an architecture.
public struct RewriteMethod: Sendable, Equatable {
    /// How units are weighed.
    public enum Weighing: Sendable, Equatable {
        /// From the calibration tokens' moments.
        case score(UnitScore)
        /// From derivatives of the model's output by its weights.
        case gradient(GradientScore)
    }

    /// How the blocks share.
    public enum Division: Sendable, Equatable {
        case uniform
        /// By what blocks do to the stream.
        case blocks(SharesByBlock)
        case pooled(PooledAllocation.Scale)
        /// NIRVANA's relation between heads and neurons.
        case split(gamma: Double)
        /// Sizes of least loss by the measured output, coefficients searched; of widths alone.
        case measured
        /// Sizes of least loss within a measured time, coefficients searched (ZipLM).
        case latency
    }

    /// Neurons of feed-forward parts, nil where they stay.
    public var neurons: Weighing?
    /// Whole key-value heads with their queries, nil where they stay.
    public var heads: Weighing?
    public var compensation: Compensation
    /// Whether heads' values, and queries and keys, lose channels (MoDeGPT types III and II); the second goes at this share of
    /// the first's pace.
    public var narrowsValues = false
    public var queryKeyPace = 0.0
    /// Whole blocks go.
    public var dropsBlocks = false
    /// Feed-forward networks are cut into experts instead of narrowed; nil otherwise.
    public var experts: ExpertMethod?
    public var division: Division
    /// Whether blocks are narrowed front to back, each by what it sees behind those before it.
    public var isSequential: Bool

    public init(
        neurons: Weighing? = nil, heads: Weighing? = nil, compensation: Compensation = .none,
        division: Division = .uniform, isSequential: Bool = false
    ) {
        self.neurons = neurons
        self.heads = heads
        self.compensation = compensation
        self.division = division
        self.isSequential = isSequential
    }
}

/// Scores made of derivatives.
public enum GradientScore: String, Sendable, CaseIterable {
    /// sum |w dw f| over a unit's weights, f the mean over features of the largest output over tokens (NIRVANA,
    /// arXiv 2509.14230).
    case response
    /// (sum w dw L)^2 summed over batches, L the distance of the outputs from themselves under a small change
    /// (NViT, arXiv 2110.04869).
    case saliency
}
