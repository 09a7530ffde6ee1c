import ModelFiles
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
    /// Where an ordinary checkpoint keeps the weight; nil for `<name>.weight`, outputs x inputs.
    public let stored: StoredWeight?

    public init(name: String, shape: MatrixShape, role: Role, input: String?, stored: StoredWeight? = nil) {
        self.name = name
        self.shape = shape
        self.role = role
        self.input = input
        self.stored = stored
    }
}

/// A weight that a checkpoint keeps in a form of its own: transposed, with others in one tensor, or in another shape.
public struct StoredWeight: Sendable, Hashable {
    /// The tensor's name, ".weight" included, and its shape.
    public let tensor: String
    public let shape: [Int]
    /// Whether the tensor is inputs x outputs, as GPT-2's Conv1D has it.
    public let isTransposed: Bool
    /// Which of the tensor's outputs are this matrix's, where several share it; nil for all.
    public let outputs: Range<Int>?

    public init(tensor: String, shape: [Int], isTransposed: Bool = false, outputs: Range<Int>? = nil) {
        self.tensor = tensor
        self.shape = shape
        self.isTransposed = isTransposed
        self.outputs = outputs
    }

    /// The matrix, outputs x inputs, out of the tensor's numbers.
    func matrix(from values: [Float], columns: Int) -> Matrix {
        let all = values.count / max(1, columns)
        let range = outputs ?? 0..<all
        return Matrix(rows: range.count, columns: columns) { row, column in
            values[place(range.lowerBound + row, column, outputs: all, inputs: columns)]
        }
    }

    /// Puts the matrix into the tensor's numbers, which keep those of the others.
    public func place(_ matrix: Matrix, into values: inout [Float]) {
        let all = values.count / max(1, matrix.columns)
        let first = outputs?.lowerBound ?? 0
        for row in 0..<matrix.rows {
            for column in 0..<matrix.columns {
                values[place(first + row, column, outputs: all, inputs: matrix.columns)] = matrix[row, column]
            }
        }
    }

    private func place(_ output: Int, _ input: Int, outputs: Int, inputs: Int) -> Int {
        isTransposed ? input * outputs + output : output * inputs + input
    }
}

extension Checkpoint {
    /// Bytes that a matrix takes in an ordinary checkpoint: its part of the tensor it lies in; 0 where there is none.
    public func byteCount(of site: MatrixSite) -> Int {
        let tensor = site.stored?.tensor ?? "\(site.name).weight"
        return entry(named: tensor).map { site.shape.count * $0.elementType.byteCount } ?? 0
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
    var architecture: String { get }

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
