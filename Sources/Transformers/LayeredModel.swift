import StructuredMatrices
import Tensors

/// A model that can be run some layers at a time, on states kept between, and whose biases and norms can be replaced.
///
/// What is done to its layers one after the other needs one run of every layer then, not one of the whole model each time.
public protocol LayeredModel: TransformerModel {
    var layerCount: Int { get }

    /// What the first layer reads, tokens x width, sequence after sequence.
    /// - Throws: as `observe`.
    func states(_ sequences: [[Int]], context: ExecutionContext) throws -> Matrix

    /// Runs some layers: from the states that the first of them reads to those that the last gives, showing the inputs of
    /// their linear layers as `observe` does; behind the last layer of all that of the output head too. The same bits as
    /// `observe` shows, for any cut into layers and any number of threads.
    /// - Parameters:
    ///   - layers: within 0..<`layerCount`.
    ///   - states: tokens x width.
    /// - Throws: as `observe`.
    func run(
        _ layers: Range<Int>, on states: Matrix, of sequences: [[Int]], context: ExecutionContext,
        observer: ActivationObserver
    ) throws -> Matrix

    /// The norms in the order of the computation.
    var norms: [NormSite] { get }

    /// The numbers of a norm. Setting trusts counts.
    /// - Precondition: the name is that of one of `norms`.
    subscript(norm name: String) -> NormValues { get set }

    /// What is added to the outputs of the matrix at a site; nil where nothing is. Setting trusts counts, and does nothing
    /// where there is none: the checkpoint has no place for it.
    subscript(bias site: String) -> [Float]? { get set }

    /// Where the sum lies that the matrix's outputs are added to, in the same layer; nil where they are not added to
    /// anything, or what they are added to is not shown.
    func residual(of site: String) -> NormSite.Output?
}

/// A normalisation: its name, and where what it gives can be seen.
public struct NormSite: Sendable, Hashable {
    public enum Output: Sendable, Hashable {
        /// The input of linear layers (`MatrixSite.input`).
        case input(String)
        /// States between layers: of a norm those behind its layer, of a sum those before.
        case states
    }

    /// The weight's name in the checkpoint without ".weight": "encoder.layer.0.output.LayerNorm".
    public let name: String
    /// The layer that runs it; -1 before the first.
    public let layer: Int
    public let output: Output

    public init(name: String, layer: Int, output: Output) {
        self.name = name
        self.layer = layer
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
