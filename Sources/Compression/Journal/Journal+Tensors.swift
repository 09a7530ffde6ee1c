import Fitting
import Foundation
import LinearAlgebra
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// Values too large for a line of JSON, each a safetensors file written whole and renamed.
extension Journal {
    private func file(_ key: String) -> URL {
        var name = Fingerprint()
        name.add(prefix + key)
        return folder.appending(path: "tensors/\(name.text).safetensors")
    }

    /// Keeps a fitted matrix, bit for bit.
    func store(_ matrix: any StructuredMatrix, key: String) throws {
        let description = try StructuredEntry(MatrixDescription(matrix)).json.serialized()
        try SafetensorsWriter.write(
            matrix.tensors.map { ("matrix.\($0.name)", $0.tensor) }, to: file(key).path,
            metadata: [("key", key), ("description", String(decoding: description, as: UTF8.self))])
    }

    /// The fitted matrix of that key; nil when it was not kept.
    /// - Parameter isStreamed: whether its factors are read from the file at every use.
    func matrix(key: String, shape: MatrixShape, isStreamed: Bool = false) throws -> (any StructuredMatrix)? {
        let file = file(key)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        let reader = try Self.reader(file, key: key, isStreamed: isStreamed)
        let text = reader.metadata.first { $0.key == "description" }?.value ?? ""
        guard let root = try? JSONValue.parse(Array(text.utf8)).objectValue else {
            throw CompressionError.journalUnreadable(file: file.path, reason: "does not describe '\(key)'")
        }
        let description = MatrixDescription(try ModelConfiguration(file: file.path, root: root).structuredEntry())
        guard description.shape == shape else {
            throw CompressionError.journalUnreadable(
                file: file.path, reason: "'\(key)' is \(description.shape) there, not \(shape)")
        }
        return try description.matrix(
            named: key,
            tensors: TensorLookup(file: file.path, matrix: "matrix") { name in
                reader.contains(name) ? try reader.tensor(named: name) : nil
            })
    }

    private static func reader(_ file: URL, key: String, isStreamed: Bool = false) throws -> SafetensorsReader {
        let reader = try SafetensorsReader(file: file.path, isStreamed: isStreamed)
        guard reader.metadata.contains(where: { $0.key == "key" && $0.value == key }) else {
            throw CompressionError.journalUnreadable(file: file.path, reason: "holds another matrix than '\(key)'")
        }
        return reader
    }

    /// The bytes that `store` left under a key; nil where it left none.
    func stored(_ key: String) throws -> [UInt8]? {
        let file = file(key)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        return [UInt8](try Data(contentsOf: file))
    }

    func holds(_ key: String) -> Bool { FileManager.default.fileExists(atPath: file(key).path) }

    /// Keeps bytes that `store` left under the same key of another journal.
    func adopt(_ bytes: [UInt8], key: String) throws { try AtomicFile.write(bytes, to: file(key).path) }

    /// Keeps a Gram matrix, bit for bit.
    func store(_ gram: Gram, key: String) throws {
        try store([("diagonal", [gram.size], gram.diagonal), ("matrix", [gram.size, gram.size], gram.matrix.elements)], key: key)
    }

    /// Keeps matrices, bit for bit.
    func store(_ matrices: [(name: String, matrix: DoubleMatrix)], key: String) throws {
        try store(matrices.map { ($0.name, [$0.matrix.rows, $0.matrix.columns], $0.matrix.elements) }, key: key)
    }

    private func store(_ tensors: [(name: String, shape: [Int], elements: [Double])], key: String) throws {
        try SafetensorsWriter.write(
            try tensors.map { name, shape, elements in
                // Every processor this runs on is little-endian, as the file format is.
                let storage = TensorStorage(byteCount: 8 * elements.count) { bytes in
                    elements.withUnsafeBytes { bytes.copyMemory(from: $0) }
                }
                return (name, try Tensor(elementType: .f64, shape: shape, storage: storage))
            }, to: file(key).path, metadata: [("key", key)])
    }

    /// Matrices kept earlier, by name; nil when none were kept.
    func matrices(key: String) throws -> [String: DoubleMatrix]? {
        let file = file(key)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        let reader = try Self.reader(file, key: key)
        var matrices: [String: DoubleMatrix] = [:]
        for name in reader.tensorNames {
            let tensor = try reader.tensor(named: name)
            guard tensor.elementType == .f64, tensor.shape.count == 2 else {
                throw CompressionError.journalUnreadable(file: file.path, reason: "'\(name)' is no matrix of F64")
            }
            matrices[name] = DoubleMatrix(
                rows: tensor.shape[0], columns: tensor.shape[1], elements: Self.doubles(tensor))
        }
        return matrices
    }

    /// A Gram matrix kept earlier; nil when it was not kept.
    /// - Parameter isRead: whether it is read from the file whenever it is needed, instead of now.
    func gram(key: String, size: Int, isRead: Bool) throws -> Gram? {
        let file = file(key)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        let reader = try Self.reader(file, key: key, isStreamed: true)
        func tensor(_ name: String, _ shape: [Int]) throws -> Tensor {
            let tensor = try reader.tensor(named: name)
            guard tensor.elementType == .f64, tensor.shape == shape else {
                throw CompressionError.journalUnreadable(file: file.path, reason: "'\(name)' is not F64 \(shape)")
            }
            return tensor
        }
        let matrix = try tensor("matrix", [size, size])
        let read: @Sendable () -> DoubleMatrix = {
            DoubleMatrix(rows: size, columns: size, elements: Self.doubles(matrix))
        }
        guard isRead else { return Gram(damped: read()) }
        return Gram(diagonal: Self.doubles(try tensor("diagonal", [size])), read: read)
    }

    private static func doubles(_ tensor: Tensor) -> [Double] {
        [Double](unsafeUninitializedCapacity: tensor.elementCount) { buffer, count in
            var target = UnsafeMutableRawBufferPointer(buffer)[...]
            tensor.forEachPiece { piece in
                UnsafeMutableRawBufferPointer(rebasing: target).copyMemory(from: piece)
                target = target.dropFirst(piece.count)
            }
            count = tensor.elementCount
        }
    }
}
