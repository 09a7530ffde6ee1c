/// A normalisation: its name, and where what it gives can be seen.
public struct NormSite: Sendable, Hashable {
    public enum Output: Sendable, Hashable {
        /// The input of linear layers (`MatrixSite.input`).
        case input(String)
        /// States between blocks: of a norm those behind its block, of a sum those before.
        case states
    }

    /// The weight's name in the checkpoint without ".weight": "encoder.layer.0.output.LayerNorm".
    public let name: String
    /// The block that runs it; -1 before the first.
    public let block: Int
    public let output: Output

    public init(name: String, block: Int, output: Output) {
        self.name = name
        self.block = block
        self.output = output
    }
}

/// The numbers of a norm: gain * normalised + shift.
public struct NormValues: Sendable, Equatable {
    public var gain: [Float]
    /// Nil where the kind of norm has none.
    public var shift: [Float]?

    public init(gain: [Float], shift: [Float]? = nil) {
        self.gain = gain
        self.shift = shift
    }
}
