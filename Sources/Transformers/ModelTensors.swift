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
    /// Linear layers that have a bias which their architecture does not give them.
    let addedBiases: Set<String>
    /// Whether norms of the stream are root-mean-square ones, whatever their architecture says.
    let dropsMeans: Bool
    private let find: @Sendable (String) throws -> Tensor?
    private let asked = Mutex<Set<String>>([])

    /// - Parameters:
    ///   - structures: by matrix name (the weight's name without ".weight").
    ///   - addedBiases: linear layers, by the same names, that have a bias whatever their architecture says.
    ///   - dropsMeans: whether norms of the stream neither subtract the mean nor have a bias, whatever their architecture says.
    ///   - find: the tensor of a name, or nil.
    public init(
        file: String, names: [String], structures: [String: Structure] = [:], addedBiases: Set<String> = [],
        dropsMeans: Bool = false, find: @escaping @Sendable (String) throws -> Tensor?
    ) {
        self.file = file
        self.names = names
        self.structures = structures
        self.addedBiases = addedBiases
        self.dropsMeans = dropsMeans
        self.find = find
    }

    /// The tensors of a checkpoint, with the structured matrices its configuration lists.
    public convenience init(
        _ checkpoint: Checkpoint, structures: [(matrix: String, entry: StructuredEntry)] = [],
        addedBiases: [String] = [], dropsMeans: Bool = false
    ) {
        self.init(
            file: checkpoint.file, names: checkpoint.tensorNames,
            structures: Dictionary(
                structures.map { ($0.matrix, MatrixDescription($0.entry)) }, uniquingKeysWith: { first, _ in first }),
            addedBiases: Set(addedBiases), dropsMeans: dropsMeans
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

    /// Whether there is such a tensor.
    func contains(_ tensor: String) -> Bool { names.contains(tensor) }

    /// The matrix of that name: of the family the configuration states, or dense in the precision it is stored in, from
    /// `<name>.weight` or from `stored`.
    /// - Throws: `TransformersError.shapeMismatch`, `StructuredMatrixError`.
    func matrix(_ name: String, rows: Int, columns: Int, stored: StoredWeight? = nil) throws -> any StructuredMatrix {
        asked.withLock { _ = $0.insert(name) }
        let shape = MatrixShape(rows: rows, columns: columns)
        guard let structure = structures[name] else {
            guard let stored else { return Dense(try lookup(name).factor("weight", shape: [rows, columns])) }
            let factor = try factor(stored.tensor, shape: stored.shape)
            return Dense(stored.matrix(from: factor.values, columns: columns), precision: factor.precision)
        }
        guard structure.shape == shape else {
            throw TransformersError.shapeMismatch(
                file: file, matrix: name, expected: shape.description, got: structure.shape.description)
        }
        return try structure.matrix(named: name, tensors: lookup(name))
    }

    /// - Parameter bias: whether the architecture has one; where several matrices are stored as one tensor, so are their
    ///   biases, until they are listed one by one.
    /// - Throws: as `matrix`.
    func linear(
        _ name: String, rows: Int, columns: Int, bias: Bool, stored: StoredWeight? = nil
    ) throws -> Linear {
        let weight = try matrix(name, rows: rows, columns: columns, stored: stored)
        return Linear(weight: weight, bias: try self.bias(of: name, count: rows, stored, isExpected: bias))
    }

    /// The bias of a linear layer; nil where it has none.
    /// - Throws: `StructuredMatrixError`.
    func bias(of name: String, count: Int, _ stored: StoredWeight? = nil, isExpected: Bool) throws -> [Float]? {
        if addedBiases.contains(name) { return try vector("\(name).bias", count: count) }
        guard isExpected else { return nil }
        guard let stored, let outputs = stored.outputs, structures[name] == nil else {
            return try vector("\(name).bias", count: count)
        }
        let all = stored.isTransposed ? stored.shape.dropFirst().reduce(1, *) : stored.shape[0]
        return Array(try vector(stored.tensor.dropLast("weight".count) + "bias", count: all)[outputs])
    }

    /// A norm of the stream where that has `count` features.
    /// - Throws: `StructuredMatrixError`; `TransformersError.unsupportedSetting` for a norm of a cut stream that subtracts means.
    func norm(_ name: String, _ kind: Norm.Kind, count: Int, of stream: StreamPlan, epsilon: Float) throws -> Norm {
        let kind = dropsMeans ? .rootMeanSquare : kind
        guard kind == .rootMeanSquare || !stream.isCut else {
            throw TransformersError.unsupportedSetting(
                file: file, key: "tessera.norms", got: "absent", supported: "root-mean-square, where the stream is cut")
        }
        return Norm(
            kind: kind, weight: try vector("\(name).weight", count: count),
            bias: kind == .layer ? try vector("\(name).bias", count: count) : [], epsilon: epsilon,
            features: stream.features)
    }

    /// The output head, where it is not the table of words.
    /// - Throws: `StructuredMatrixError`, `TransformersError.shapeMismatch`.
    func readHead(
        rows: Int, columns: Int, _ output: inout Network.Output, _ tables: inout [Network.Place: Linear]
    ) throws {
        guard !output.isTied else { return }
        output.head = Network.headName
        tables[.head] = try linear(Network.headName, rows: rows, columns: columns, bias: false)
    }

    /// The table of words, and that of learned positions.
    /// - Throws: `StructuredMatrixError`, `TransformersError.shapeMismatch`.
    func tables(
        words: (name: String, rows: Int, columns: Int), positions: (name: String, rows: Int, columns: Int)
    ) throws -> [Network.Place: Linear] {
        [
            .words: Linear(weight: try matrix(words.name, rows: words.rows, columns: words.columns)),
            .positions: Linear(weight: try matrix(positions.name, rows: positions.rows, columns: positions.columns)),
        ]
    }

    /// The matrices at the ends of a cut stream, where it has some beside those of the architecture.
    /// - Throws: `StructuredMatrixError`, `TransformersError.shapeMismatch`.
    func readProjections(
        _ stream: StreamPlan, _ input: inout Network.Input, _ output: inout Network.Output,
        _ tables: inout [Network.Place: Linear]
    ) throws {
        if stream.projectsInput {
            input.projection = StreamPlan.inputProjection
            tables[.inputProjection] = try linear(
                StreamPlan.inputProjection, rows: stream.first, columns: stream.features, bias: false)
        }
        if stream.projectsOutput {
            output.projection = StreamPlan.outputProjection
            tables[.outputProjection] = try linear(
                StreamPlan.outputProjection, rows: stream.features, columns: stream.last, bias: false)
        }
    }

    /// The numbers of a tensor of one dimension.
    /// - Throws: `StructuredMatrixError`.
    func vector(_ tensor: some StringProtocol, count: Int) throws -> [Float] {
        try factor(String(tensor), shape: [count]).values
    }

    /// A tensor of any shape.
    /// - Throws: `StructuredMatrixError`.
    func factor(_ tensor: String, shape: [Int]) throws -> Factor {
        let parts = tensor.split(separator: ".", omittingEmptySubsequences: false)
        return try lookup(parts.dropLast().joined(separator: ".")).factor(String(parts.last ?? ""), shape: shape)
    }

    private func lookup(_ name: String) -> TensorLookup {
        TensorLookup(file: file, matrix: name) { [self] tensor in
            asked.withLock { _ = $0.insert(tensor) }
            return try find(tensor)
        }
    }
}
