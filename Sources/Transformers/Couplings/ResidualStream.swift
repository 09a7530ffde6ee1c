/// What runs through all blocks: every block reads it through a norm and adds to it.
public struct ResidualStream: Sendable, Hashable {
    /// Features, before any were cut away.
    public let width: Int
    /// Features at each place of a cut stream (`ModelCoupling.places`); empty where none are cut away.
    public let widths: [Int]
    /// Whether norms stand between the stream and what reads it, or on the stream itself after each sum.
    public let normalizesFirst: Bool
    /// Tables whose rows are added at the beginning: columns are the stream's features.
    public let tables: [String]
    /// Linear layers outside of blocks whose outputs the stream begins with.
    public let writers: [LinearDescription]
    /// Vectors added at the beginning, or standing for a token's row.
    public let constants: [String]
    /// Of the sum that the stream begins with; nil where there is none.
    public let inputNorm: NormDescription?
    /// Of what the last block left; nil where there is none.
    public let outputNorm: NormDescription?
    /// Linear layers outside of blocks that read the end of the stream.
    public let readers: [LinearDescription]

    public init(
        width: Int, widths: [Int] = [], normalizesFirst: Bool, tables: [String] = [], writers: [LinearDescription] = [],
        constants: [String] = [], inputNorm: NormDescription? = nil, outputNorm: NormDescription? = nil,
        readers: [LinearDescription] = []
    ) {
        self.width = width
        self.widths = widths
        self.normalizesFirst = normalizesFirst
        self.tables = tables
        self.writers = writers
        self.constants = constants
        self.inputNorm = inputNorm
        self.outputNorm = outputNorm
        self.readers = readers
    }
}

/// One matrix used twice: a table of words that is the output head too.
public struct TiedMatrix: Sendable, Hashable {
    public let site: String
    /// Whether its inputs as a head are the stream itself, not what a projection makes of it.
    public let readsStream: Bool

    public init(site: String, readsStream: Bool) {
        self.site = site
        self.readsStream = readsStream
    }
}

/// What belongs together in a model: from this, methods that change several matrices at once derive their groups, whatever
/// the architecture.
public struct ModelCoupling: Sendable, Hashable {
    public let residual: ResidualStream
    public let blocks: [BlockDescription]
    /// Nil where the head has its own weight, or where there is none.
    public let tied: TiedMatrix?

    public init(residual: ResidualStream, blocks: [BlockDescription], tied: TiedMatrix? = nil) {
        self.residual = residual
        self.blocks = blocks
        self.tied = tied
    }
}
