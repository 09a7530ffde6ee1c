import Benchmarking
import Foundation
import Tensors

/// A sentence encoder of two layers with random weights: real in every part, meaningless in what it computes.
enum SmallEncoder {
    static let shape = RandomModelShape(
        kind: .bert, parameters: "small", layers: 2, hiddenSize: 32, heads: 2, keyValueHeads: 2, intermediateSize: 64,
        vocabularySize: 30_522, positions: 128, tiedEmbeddings: false)

    /// The model's folder and a file of scored pairs, in a folder that is there during the call.
    static func with<Value>(_ body: (_ folder: URL, _ model: String, _ pairs: String) throws -> Value) throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-study-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let model = folder.appending(path: "model").path
        try RandomModel(shape: shape, storage: .f32, seed: 1).write(to: model)
        let pairs = folder.appending(path: "pairs.csv").path
        let rows = (0..<12).map { "token \($0) sits,token \($0 * $0 % 7) runs \($0),\(Double($0 * 5 % 11) / 2)" }
        try Data(rows.joined(separator: "\n").utf8).write(to: URL(filePath: pairs))
        return try body(folder, model, pairs)
    }
}
