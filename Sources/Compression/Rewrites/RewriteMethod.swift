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
    /// Share of the inputs' mean square that is added to each before compensation: what keeps kept columns as they were where
    /// the calibration text says little. Nil takes `Compensation.defaultRidge`, and where sizes are shared out by the measured
    /// output, what leaves that closest.
    public var ridge: Double?
    /// Whether heads' values, and queries and keys, lose channels (MoDeGPT types III and II); the second goes at this share of
    /// the first's pace.
    public var narrowsValues = false
    public var queryKeyPace = 0.0
    /// Whole blocks go.
    public var dropsBlocks = false
    /// The residual stream is cut.
    public var slicing: StreamSlicing?
    /// Keys and values are kept in fewer directions.
    public var cacheRanks: CacheRanks?
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

/// How a residual stream is cut (SliceGPT, arXiv 2401.15024).
public struct StreamSlicing: Sendable, Equatable {
    /// How wide the stream is at each place.
    public enum Widths: String, Sendable, CaseIterable {
        case uniform
        /// Where least of the stream's mean square is lost for what is saved.
        case energies
    }

    /// What becomes of a table of words that is the output head too.
    public enum Tied: String, Sendable, CaseIterable {
        /// Both have a weight of their own, each cut.
        case copied
        /// It stays whole and one, between matrices that lead to the stream and from it.
        case kept
    }

    public var basis = StreamBasis.Kind.principal
    public var widths = Widths.uniform
    public var tied = Tied.copied

    public init(basis: StreamBasis.Kind = .principal, widths: Widths = .uniform, tied: Tied = .copied) {
        self.basis = basis
        self.widths = widths
        self.tied = tied
    }
}

/// How many directions each head keeps of its keys and values (MatryoshkaKV, arXiv 2410.14731).
public enum CacheRanks: String, Sendable, CaseIterable {
    case uniform
    /// By what lowering each costs the output.
    case greedy
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
