import ModelFiles
import StructuredMatrices
import Transformers

/// Matrices fitted by one method, with what is reported of them.
extension Journal {
    private static func key(_ site: MatrixSite) -> String { "fit \(site.name)" }

    func keep(_ fitted: ModelFits.Matrix) throws {
        let key = Self.key(fitted.site)
        try store(fitted.matrix, key: key)
        try record(
            key,
            [
                "errors": .array(fitted.errors.map { .number($0) }), "seconds": .number(fitted.seconds),
                "trace": .array(fitted.trace.map { .number($0) }),
                "refinement": fitted.refinement.map { .string($0) } ?? .null,
            ])
    }

    /// Nil where none was kept.
    func fitted(_ site: MatrixSite) throws -> ModelFits.Matrix? {
        let key = Self.key(site)
        guard let record = self[key], let matrix = try matrix(key: key, shape: site.shape) else { return nil }
        func numbers(_ name: String) -> [Double] { record[name]?.arrayValue?.compactMap(\.doubleValue) ?? [] }
        return ModelFits.Matrix(
            site: site, matrix: matrix, errors: numbers("errors"), seconds: record["seconds"]?.doubleValue ?? 0,
            trace: numbers("trace"), refinement: record["refinement"]?.stringValue)
    }
}
