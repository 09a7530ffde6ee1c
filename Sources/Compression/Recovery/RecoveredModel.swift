import Fitting
import ModelFiles
import StructuredMatrices
import Transformers

/// A compressed model on its way through recovery.
struct RecoveredModel: Sendable {
    /// Runs as it would be written.
    var model: any NetworkModel
    /// By site.
    var matrices: [String: any StructuredMatrix]
    /// Biases and norms that are not the checkpoint's any more, by the tensor's name.
    var vectors: [String: [Float]] = [:]

    mutating func replace(_ site: String, by matrix: any StructuredMatrix) {
        model[site: site] = matrix
        matrices[site] = matrix
    }

    /// A tensor of the checkpoint by its name.
    mutating func set(_ vector: String, to values: [Float]) {
        vectors[vector] = values
        if let site = vector.name(before: ".bias"), model[bias: site] != nil {
            model[bias: site] = values
        } else if let norm = vector.name(before: ".weight") {
            model[norm: norm].gain = values
        } else if let norm = vector.name(before: ".bias") {
            model[norm: norm].shift = values
        }
    }
}

extension String {
    fileprivate func name(before ending: String) -> String? { hasSuffix(ending) ? String(dropLast(ending.count)) : nil }
}

extension Journal {
    /// Keeps numbers of single precision, bit for bit.
    func record(vectors: [String: [Float]], key: String) throws {
        var object = JSONObject()
        for (name, values) in vectors.sorted(by: { $0.key < $1.key }) {
            object[name] = .array(values.map { .number(Double($0)) })
        }
        try record(key, .object(object))
    }

    func vectors(key: String) -> [String: [Float]]? {
        self[key]?.objectValue.map { object in
            Dictionary(
                object.map { ($0.key, $0.value.arrayValue?.compactMap(\.doubleValue).map { Float($0) } ?? []) },
                uniquingKeysWith: { first, _ in first })
        }
    }
}
