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
    func matrix(key: String, shape: MatrixShape) throws -> (any StructuredMatrix)? {
        let file = file(key)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        let reader = try SafetensorsReader(file: file.path)
        guard reader.metadata.contains(where: { $0.key == "key" && $0.value == key }) else {
            throw CompressionError.journalUnreadable(file: file.path, reason: "holds another matrix than '\(key)'")
        }
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

    /// Keeps the moments of a calibration.
    func store(_ calibration: Calibration, _ name: String) throws {
        let tensors = try calibration.moments.sorted { $0.key < $1.key }.map { name, moment in
            (
                name: name,
                tensor: try Tensor(
                    elementType: .f64, shape: [moment.rows, moment.columns],
                    // Every processor this runs on is little-endian, as the file format is.
                    bytes: moment.elements.withUnsafeBytes { Array($0) })
            )
        }
        try SafetensorsWriter.write(
            tensors, to: file(name).path, metadata: [("tokens", String(calibration.tokens))])
    }

    /// The moments kept by an earlier run; nil when there are none.
    func calibration(_ name: String) throws -> Calibration? {
        let file = file(name)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        let reader = try SafetensorsReader(file: file.path)
        var moments: [String: DoubleMatrix] = [:]
        for name in reader.tensorNames {
            let tensor = try reader.tensor(named: name)
            guard tensor.elementType == .f64, tensor.shape.count == 2 else {
                throw CompressionError.journalUnreadable(file: file.path, reason: "'\(name)' is not a matrix of F64")
            }
            moments[name] = tensor.withBytes { bytes in
                var moment = DoubleMatrix(rows: tensor.shape[0], columns: tensor.shape[1])
                moment.elements.withUnsafeMutableBytes { $0.copyMemory(from: bytes) }
                return moment
            }
        }
        let tokens = reader.metadata.first { $0.key == "tokens" }.flatMap { Int($0.value) } ?? 0
        return Calibration(moments: moments, tokens: tokens)
    }
}
