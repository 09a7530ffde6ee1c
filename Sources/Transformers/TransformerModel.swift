import StructuredMatrices
import Tensors

/// A place in a model that holds one weight matrix.
public struct MatrixSite: Sendable, Hashable {
    public enum Role: String, Sendable, Hashable, Codable {
        /// y = W x inside the network.
        case linear
        /// A table whose rows are looked up (and that may also be the output head).
        case embedding
    }

    /// The weight's name in the checkpoint without ".weight": "encoder.layer.0.attention.self.query".
    public let name: String
    public let shape: MatrixShape
    public let role: Role
    /// Sites with the same input share one Gram matrix; nil for tables that are only looked up.
    public let input: String?

    public init(name: String, shape: MatrixShape, role: Role, input: String?) {
        self.name = name
        self.shape = shape
        self.role = role
        self.input = input
    }
}

/// Sees the inputs of the linear layers while a model runs: the name of the input (`MatrixSite.input`) and
/// the activations, tokens x features, valid during the call. Called in the order of the layers, on the calling thread.
public typealias ActivationObserver = (_ input: String, _ activations: MatrixView) -> Void

/// A model whose matrices can be looked at and replaced by structured ones.
///
/// A value type: replacing a matrix in a copy leaves the original as it was.
public protocol TransformerModel: Sendable {
    /// Hugging Face's `model_type`: "bert", "llama".
    static var architecture: String { get }

    /// Every matrix that may be compressed, in the order of the computation.
    var sites: [MatrixSite] { get }

    /// The matrix at a site. Setting trusts the shape.
    /// - Precondition: the name is that of one of `sites`.
    subscript(site name: String) -> any StructuredMatrix { get set }

    /// Lays the matrices out for fast products; those that are replaced later lose that form. Results change by rounding
    /// alone unless `options` allow more. Memory: what the matrices take, once more. Cost: about one pass over them.
    mutating func prepare(_ options: PreparationOptions, context: ExecutionContext)

    /// Tokens the vocabulary holds.
    var vocabularySize: Int { get }

    /// Tokens a sequence may have.
    var maximumPositions: Int { get }

    /// Tokens a text is cut to, at most `maximumPositions`.
    var maximumTokens: Int { get }

    /// Runs the model over token sequences and shows every linear input to the observer, batch of sequences after batch,
    /// in the order given; the outputs are dropped.
    /// - Throws: `TransformersError.tokenOutOfRange`, `.sequenceTooLong`, `.emptySequence`, before the first call.
    func observe(_ sequences: [[Int]], context: ExecutionContext, observer: ActivationObserver) throws
}

extension TransformerModel {
    public var maximumTokens: Int { maximumPositions }
}

/// Where a site's matrix lies in a model: one list of these gives both `sites` and the site subscript.
struct SiteLocation<Model: TransformerModel>: Sendable {
    let name: String
    let role: MatrixSite.Role
    let input: String?
    let path: WritableKeyPath<Model, any StructuredMatrix> & Sendable

    func site(in model: Model) -> MatrixSite {
        MatrixSite(name: name, shape: model[keyPath: path].shape, role: role, input: input)
    }
}
