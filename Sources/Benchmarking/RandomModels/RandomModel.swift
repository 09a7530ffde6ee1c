import ModelFiles
import StructuredMatrices
import Tensors

/// A model folder with random weights, for measuring speed: real in every size, meaningless in what it
/// computes.
package struct RandomModel: Sendable {
    /// How its matrices are stored.
    package enum Storage: String, Sendable, CaseIterable {
        case f32, bf16, f16
        /// Integers with a binary16 scale for every group of 32 inputs.
        case int8, int4

        var bits: Int? { self == .int8 ? 8 : self == .int4 ? 4 : nil }
        /// Of everything that is not in small integers.
        var elementType: ElementType { self == .f32 ? .f32 : self == .bf16 ? .bf16 : .f16 }
    }

    package let shape: RandomModelShape
    package let storage: Storage
    package let seed: UInt64

    static let groupSize = 32
    /// Standard deviation of the weights, as in the initialisation of BERT and GPT-2.
    static let deviation: Float = 0.02
    /// Numbers drawn from one stream, so that threads can share a tensor.
    private static let piece = 1 << 18

    package init(shape: RandomModelShape, storage: Storage, seed: UInt64) {
        (self.shape, self.storage, self.seed) = (shape, storage, seed)
    }

    /// Writes the folder: weights, configuration, a tokenizer of the vocabulary's size. The same bytes for
    /// the same seed, whatever the number of threads. Memory: one tensor at a time.
    /// - Returns: bytes of the weights' file.
    /// - Throws: `ModelFileError`: the destination exists, cannot be written, or its disk is too small.
    @discardableResult
    package func write(
        to destination: String, replacing: Bool = false, context: ExecutionContext = ExecutionContext(),
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> Int {
        let plan = plan
        let declarations = plan.map(\.declaration)
        let size = try SafetensorsWriter(file: Checkpoint.singleFileName, tensors: declarations).fileByteCount
        let folder = try OutputFolder(
            destination: destination, replacing: replacing, requiredBytes: size + (8 << 20))
        let writer = try SafetensorsWriter(
            file: folder.file(Checkpoint.singleFileName), tensors: declarations)
        let contents = Dictionary(uniqueKeysWithValues: plan.map { ($0.declaration.name, $0) })
        var done = 0
        try writer.write { name in
            guard let planned = contents[name] else {
                throw ModelFileError.missingTensor(file: folder.file(Checkpoint.singleFileName), tensor: name)
            }
            defer {
                done += 1
                progress(done, declarations.count)
            }
            return try tensor(planned, context: context)
        }
        try writeSettings(to: folder)
        try folder.commit()
        return size
    }

    /// Weights and biases; scales are not counted.
    package var parameterCount: Int {
        shape.tensors.reduce(0) { sum, tensor in
            switch tensor {
            case .matrix(_, let rows, let columns), .table(_, let rows, let columns): sum + rows * columns
            case .vector(_, let count, _): sum + count
            }
        }
    }

    /// The matrices kept in small integers, as `config.json` lists them.
    var structuredEntries: [(matrix: String, entry: StructuredEntry)] {
        guard let bits = storage.bits else { return [] }
        return shape.tensors.compactMap { tensor in
            guard case .matrix(let name, let rows, let columns) = tensor else { return nil }
            let attributes = ["bits": bits, "groupSize": Self.groupSize]
            return (
                name,
                StructuredEntry(
                    family: Quantized.family.name, rows: rows, columns: columns, attributes: attributes)
            )
        }
    }

    private enum Content {
        case weights
        case scales(bits: Int)
        case codes
        case constant(Float)
    }

    private struct Planned {
        let declaration: SafetensorsWriter.Declaration
        let content: Content
    }

    private var plan: [Planned] {
        func planned(_ name: String, _ type: ElementType, _ shape: [Int], _ content: Content) -> Planned {
            Planned(declaration: .init(name: name, elementType: type, shape: shape), content: content)
        }
        let type = storage.elementType
        return shape.tensors.flatMap { tensor -> [Planned] in
            switch tensor {
            case .vector(let name, let count, let value):
                return [planned(name, type, [count], .constant(value))]
            case .table(let name, let rows, let columns):
                return [planned("\(name).weight", type, [rows, columns], .weights)]
            case .matrix(let name, let rows, let columns):
                guard let bits = storage.bits else {
                    return [planned("\(name).weight", type, [rows, columns], .weights)]
                }
                let groups = (columns + Self.groupSize - 1) / Self.groupSize
                return [
                    planned("\(name).codes", .u8, [rows, (columns * bits + 7) / 8], .codes),
                    planned("\(name).scales", .f16, [rows, groups], .scales(bits: bits)),
                ]
            }
        }
    }

    private func tensor(_ planned: Planned, context: ExecutionContext) throws -> Tensor {
        let (name, type, shape) = (
            planned.declaration.name, planned.declaration.elementType, planned.declaration.shape
        )
        let count = shape.reduce(1, *)
        switch planned.content {
        case .constant(let value):
            return try Tensor([Float](repeating: value, count: count), shape: shape, elementType: type)
        case .weights:
            // Uniform numbers of that deviation.
            let width = Self.deviation * Float(3).squareRoot()
            return try numbers(name, type, shape, context: context) { $0 * width }
        case .scales(let bits):
            // Codes are uniform too; scales vary by a quarter, as those of real weights do.
            let step = Self.deviation * Float(3).squareRoot() / Float(1 << (bits - 1))
            return try numbers(name, type, shape, context: context) { (1 + 0.25 * $0) * step }
        case .codes:
            // Every byte is one code of 8 bits or two of 4.
            return try filled(type, shape, context: context, stream: name) { generator, bytes in
                for offset in stride(from: 0, to: bytes.count, by: 8) {
                    let word = generator.next().littleEndian
                    withUnsafeBytes(of: word) { source in
                        let part = UnsafeRawBufferPointer(rebasing: source.prefix(bytes.count - offset))
                        UnsafeMutableRawBufferPointer(rebasing: bytes[offset...]).copyMemory(from: part)
                    }
                }
            }
        }
    }

    private func numbers(
        _ name: String, _ type: ElementType, _ shape: [Int], context: ExecutionContext,
        _ transform: @escaping @Sendable (Float) -> Float
    ) throws -> Tensor {
        try filled(type, shape, context: context, stream: name) { generator, bytes in
            let values = generator.uniform(bytes.count / type.byteCount)
            switch type {
            case .f32:
                for (index, value) in values.enumerated() {
                    bytes.storeBytes(
                        of: transform(value).bitPattern.littleEndian, toByteOffset: 4 * index, as: UInt32.self
                    )
                }
            case .f16:
                for (index, value) in values.enumerated() {
                    let bits = HalfFloat.bits(of: transform(value))
                    bytes.storeBytes(of: bits.littleEndian, toByteOffset: 2 * index, as: UInt16.self)
                }
            default:
                for (index, value) in values.enumerated() {
                    let bits = Precision.bf16.rounded(transform(value)).bitPattern >> 16
                    bytes.storeBytes(of: UInt16(bits).littleEndian, toByteOffset: 2 * index, as: UInt16.self)
                }
            }
        }
    }

    /// A tensor filled in pieces, each from a stream of its own.
    private func filled(
        _ type: ElementType, _ shape: [Int], context: ExecutionContext, stream: String,
        _ fill: @escaping @Sendable (inout SeededGenerator, UnsafeMutableRawBufferPointer) -> Void
    ) throws -> Tensor {
        let count = try Tensor.byteCount(of: shape, elementType: type)
        let piece = Self.piece * type.byteCount
        let storage = TensorStorage(byteCount: count) { bytes in
            nonisolated(unsafe) let bytes = bytes
            context.parallelFor((count + piece - 1) / piece) { index in
                var generator = SeededGenerator(seed: seed, stream: "\(stream) \(index)")
                let range = index * piece..<min(count, (index + 1) * piece)
                fill(&generator, UnsafeMutableRawBufferPointer(rebasing: bytes[range]))
            }
        }
        return try Tensor(elementType: type, shape: shape, storage: storage)
    }
}
