import ModelFiles
import Tensors
import Transformers

/// Matrices of a checkpoint that the model never multiplies by or looks up: the pooler that sentence encoders leave out, a
/// head stored beside the table it is tied to. A compressed folder keeps them, in the precision of the run at most, so that
/// they take no more of a small file than they must.
public struct UnusedMatrices: Sendable {
    /// Those that are stored narrower than they were.
    private var narrowed: [String: ElementType] = [:]

    /// All of them, bit for bit.
    public static let carriedOver = UnusedMatrices()

    private init() {}

    /// - Parameter precision: of the run.
    /// - Throws: `ModelFileError`, where a matrix cannot be read. Cost: a pass over the unused matrices.
    public init(_ loaded: LoadedModel, precision: Precision) throws {
        // Of an unknown architecture nobody knows what it uses.
        guard loaded.model is any NetworkModel else { return }
        let type = precision.elementType
        for name in loaded.unusedTensors {
            guard let entry = loaded.checkpoint.entry(named: name), entry.shape.count == 2,
                entry.elementType.isFloatingPoint, entry.elementType.byteCount > type.byteCount,
                try Self.fits(loaded.checkpoint.tensor(named: name), precision)
            else { continue }
            narrowed[name] = type
        }
    }

    func elementType(of entry: SafetensorsEntry) -> ElementType { narrowed[entry.name] ?? entry.elementType }

    /// Bytes that the tensor takes when it is carried over.
    func byteCount(of entry: SafetensorsEntry) -> Int {
        entry.byteCount / entry.elementType.byteCount * elementType(of: entry).byteCount
    }

    /// The tensor as it is carried over.
    /// - Throws: `TensorError`.
    func carried(_ tensor: Tensor, named name: String) throws -> Tensor {
        guard let type = narrowed[name] else { return tensor }
        return try Tensor(tensor.floats(), shape: tensor.shape, elementType: type)
    }

    /// Whether no number overflows.
    private static func fits(_ tensor: Tensor, _ precision: Precision) throws -> Bool {
        let piece = 1 << 20
        return try stride(from: 0, to: tensor.elementCount, by: piece).allSatisfy { first in
            try tensor.floats(first..<min(tensor.elementCount, first + piece)).allSatisfy {
                !$0.isFinite || precision.rounded($0).isFinite
            }
        }
    }
}
