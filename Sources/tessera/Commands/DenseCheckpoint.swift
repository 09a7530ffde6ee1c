import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// The tensors of a model with every matrix dense, in the checkpoint's own form, and every number in one precision; without
/// blocks that are idle, the others renumbered.
struct DenseCheckpoint {
    let declarations: [SafetensorsWriter.Declaration]
    let structuredCount: Int
    private let loaded: LoadedModel
    /// What is made anew, by the tensor's name in the model.
    private let made: [String: Content]
    /// The names in the model of what is declared.
    private let sources: [String: String]
    private let precision: Precision

    private enum Content {
        /// The matrices that share a tensor.
        case matrices([MatrixSite])
        case matrix(String)
        /// The biases of several matrices, one behind the other.
        case biases([String])
        case zeros
    }

    init(_ loaded: LoadedModel, precision: Precision) throws {
        self.loaded = loaded
        self.precision = precision
        let listed = Set(try loaded.configuration.structuredEntries()?.map(\.matrix) ?? [])
        var replaced: Set<String> = []
        var declarations: [SafetensorsWriter.Declaration] = []
        var made: [String: Content] = [:]
        func declare(_ name: String, _ shape: [Int], _ content: Content) {
            made[name] = content
            declarations.append(.init(name: name, elementType: precision.elementType, shape: shape))
        }
        let sites = loaded.model.sites
        for site in sites where listed.contains(site.name) {
            for (factor, _) in try loaded.model[site: site.name].tensors { replaced.insert("\(site.name).\(factor)") }
            guard let stored = site.stored else {
                declare("\(site.name).weight", [site.shape.rows, site.shape.columns], .matrix(site.name))
                continue
            }
            let sharing = sites.filter { $0.stored?.tensor == stored.tensor }
            if stored.outputs != nil { replaced.insert("\(site.name).bias") }
            guard made[stored.tensor] == nil else { continue }
            declare(stored.tensor, stored.shape, .matrices(sharing))
            let biases = sharing.map { "\($0.name).bias" }
            if stored.outputs != nil, let model = loaded.model as? any NetworkModel,
                biases.allSatisfy({ model[vector: $0] != nil })
            {
                declare(
                    stored.tensor.dropLast("weight".count) + "bias", [sharing.reduce(0) { $0 + $1.shape.rows }],
                    .biases(biases))
            }
        }
        for (name, count) in try loaded.missingBiases() { declare(name, [count], .zeros) }
        // All experts run in what other programs read.
        replaced.formUnion((loaded.model as? any NetworkModel)?.expertTensorNames ?? [])
        for name in loaded.checkpoint.tensorNames where !replaced.contains(name) && made[name] == nil {
            guard let entry = loaded.checkpoint.entry(named: name) else { continue }
            let type = entry.elementType.isFloatingPoint ? precision.elementType : entry.elementType
            declarations.append(.init(name: name, elementType: type, shape: entry.shape))
        }
        let names = loaded.ordinaryNames(of: declarations.map(\.name))
        self.declarations = declarations.compactMap { declaration in
            names[declaration.name].map {
                .init(name: $0, elementType: declaration.elementType, shape: declaration.shape)
            }
        }
        sources = Dictionary(names.map { ($0.value, $0.key) }, uniquingKeysWith: { first, _ in first })
        self.made = made
        structuredCount = listed.count { loaded.model[site: $0].family != Dense.family }
    }

    /// Of all tensors, without the file's header.
    var byteCount: Int {
        get throws {
            try declarations.reduce(0) { $0 + (try Tensor.byteCount(of: $1.shape, elementType: $1.elementType)) }
        }
    }

    /// - Throws: `ModelFileError`, `CommandError.notRepresentable`.
    func tensor(_ declaration: SafetensorsWriter.Declaration) throws -> Tensor {
        let (name, shape) = (sources[declaration.name] ?? declaration.name, declaration.shape)
        switch made[name] {
        case .matrix(let site):
            return try converted(loaded.model[site: site].dense().elements, name, shape)
        case .matrices(let sites):
            var values = [Float](repeating: 0, count: shape.reduce(1, *))
            for site in sites { site.stored?.place(loaded.model[site: site.name].dense(), into: &values) }
            return try converted(values, name, shape)
        case .biases(let names):
            let model = loaded.model as? any NetworkModel
            return try converted(names.flatMap { model?[vector: $0] ?? [] }, name, shape)
        case .zeros:
            return try converted([Float](repeating: 0, count: shape.reduce(1, *)), name, shape)
        case nil:
            let tensor = try loaded.checkpoint.tensor(named: name)
            guard tensor.elementType.isFloatingPoint, tensor.elementType != precision.elementType else { return tensor }
            return try converted(try tensor.floats(), name, tensor.shape)
        }
    }

    private func converted(_ values: [Float], _ name: String, _ shape: [Int]) throws -> Tensor {
        // Half of the step to 65536: from here on numbers round to infinity.
        if precision == .f16, let value = values.first(where: { $0.magnitude >= 65520 && $0.isFinite }) {
            throw CommandError.notRepresentable(tensor: name, value: value, precision: precision.rawValue)
        }
        return try Tensor(values, shape: shape, elementType: precision.elementType)
    }
}
