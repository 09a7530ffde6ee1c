import ModelFiles
import StructuredMatrices
import Synchronization
import Tensors

/// The tensors a model is built from, wherever they lie, and which of its matrices are kept in structured form.
///
/// Remembers what was asked for, so that a loader can say what a checkpoint held in vain.
public final class ModelTensors: Sendable {
    /// A matrix kept as another family than dense.
    public typealias Structure = MatrixDescription

    /// For messages.
    public let file: String
    /// All tensors there are.
    public let names: [String]
    private let structures: [String: Structure]
    private let find: @Sendable (String) throws -> Tensor?
    private let asked = Mutex<Set<String>>([])

    /// - Parameters:
    ///   - structures: by matrix name (the weight's name without ".weight").
    ///   - find: the tensor of a name, or nil.
    public init(
        file: String, names: [String], structures: [String: Structure] = [:],
        find: @escaping @Sendable (String) throws -> Tensor?
    ) {
        self.file = file
        self.names = names
        self.structures = structures
        self.find = find
    }

    /// The tensors of a checkpoint, with the structured matrices its configuration lists.
    public convenience init(
        _ checkpoint: Checkpoint, structures: [(matrix: String, entry: StructuredEntry)] = []
    ) {
        self.init(
            file: checkpoint.file, names: checkpoint.tensorNames,
            structures: Dictionary(
                structures.map { ($0.matrix, MatrixDescription($0.entry)) }, uniquingKeysWith: { first, _ in first })
        ) { name in
            checkpoint.contains(name) ? try checkpoint.tensor(named: name) : nil
        }
    }

    /// Names of the tensors that no one asked for, in the order of `names`.
    public var unused: [String] {
        asked.withLock { asked in names.filter { !asked.contains($0) } }
    }

    /// The first of the prefixes that some tensor's name begins with, else the last.
    func prefix(among prefixes: [String], before rest: String) -> String {
        prefixes.first { prefix in names.contains { $0.hasPrefix(prefix + rest) } } ?? prefixes.last ?? ""
    }

    /// The matrix of that name: of the family the configuration states, or dense from `<name>.weight` in the precision it has.
    /// - Throws: `TransformersError.shapeMismatch`, `StructuredMatrixError`.
    func matrix(_ name: String, rows: Int, columns: Int) throws -> any StructuredMatrix {
        asked.withLock { _ = $0.insert(name) }
        let shape = MatrixShape(rows: rows, columns: columns)
        guard let structure = structures[name] else {
            return Dense(try lookup(name).factor("weight", shape: [rows, columns]))
        }
        guard structure.shape == shape else {
            throw TransformersError.shapeMismatch(
                file: file, matrix: name, expected: shape.description, got: structure.shape.description)
        }
        return try structure.matrix(named: name, tensors: lookup(name))
    }

    /// - Throws: as `matrix`.
    func linear(_ name: String, rows: Int, columns: Int, bias: Bool) throws -> Linear {
        Linear(
            weight: try matrix(name, rows: rows, columns: columns),
            bias: bias ? try lookup(name).factor("bias", shape: [rows]).values : nil)
    }

    /// - Throws: `StructuredMatrixError`.
    func layerNorm(_ name: String, count: Int, epsilon: Float) throws -> LayerNorm {
        LayerNorm(
            weight: try lookup(name).factor("weight", shape: [count]).values,
            bias: try lookup(name).factor("bias", shape: [count]).values, epsilon: epsilon)
    }

    /// - Throws: `StructuredMatrixError`.
    func rmsNorm(_ name: String, count: Int, epsilon: Float) throws -> RMSNorm {
        RMSNorm(weight: try lookup(name).factor("weight", shape: [count]).values, epsilon: epsilon)
    }

    private func lookup(_ name: String) -> TensorLookup {
        TensorLookup(file: file, matrix: name) { [self] tensor in
            asked.withLock { _ = $0.insert(tensor) }
            return try find(tensor)
        }
    }
}
