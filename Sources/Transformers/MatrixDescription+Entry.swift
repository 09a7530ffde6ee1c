import ModelFiles
import StructuredMatrices

// The two forms of one description: ModelFiles and StructuredMatrices do not know each other.

extension MatrixDescription {
    public init(_ entry: StructuredEntry) {
        self.init(
            family: entry.family, shape: MatrixShape(rows: entry.rows, columns: entry.columns),
            attributes: entry.attributes, parts: entry.parts.map { MatrixDescription($0) })
    }
}

extension StructuredEntry {
    public init(_ description: MatrixDescription) {
        self.init(
            family: description.family, rows: description.shape.rows, columns: description.shape.columns,
            attributes: description.attributes, parts: description.parts.map { StructuredEntry($0) })
    }
}
