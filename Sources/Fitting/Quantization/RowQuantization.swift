import StructuredMatrices
import Tensors

/// Codes and group scales of consecutive rows.
package struct QuantizedRows: Sendable {
    /// q, rows x columns.
    package var codes: [Int8]
    /// rows x groups.
    package var scales: [GroupScale]

    init(rows: Int, columns: Int, groupSize: Int) {
        codes = [Int8](repeating: 0, count: rows * columns)
        scales = [GroupScale](repeating: GroupScale(), count: rows * ((columns + groupSize - 1) / groupSize))
    }

    init(_ pieces: [QuantizedRows]) {
        codes = pieces.flatMap(\.codes)
        scales = pieces.flatMap(\.scales)
    }
}

extension GroupQuantizer {
    /// Rows rounded one group at a time.
    /// - Parameter importance: one non-negative number per column.
    package func round(_ rows: MatrixView, groupSize: Int, importance: [Float]) -> QuantizedRows {
        let groups = (rows.columns + groupSize - 1) / groupSize
        var result = QuantizedRows(rows: rows.rows, columns: rows.columns, groupSize: groupSize)
        var search = PaddedGroup(groupSize: min(groupSize, rows.columns))
        for row in 0..<rows.rows {
            let weights = rows.row(row)
            for group in 0..<groups {
                let columns = group * groupSize..<min(rows.columns, (group + 1) * groupSize)
                let scale = search.scale(self, weights, importance, columns)
                result.scales[row * groups + group] = scale
                for column in columns {
                    result.codes[row * rows.columns + column] = Int8(code(weights[column], scale))
                }
            }
        }
        return result
    }
}

/// Scratch for one group's search: its weights and their importance, padded with zeros to full vectors.
struct PaddedGroup {
    private var weights: [GroupQuantizer.Lanes]
    private var importance: [GroupQuantizer.Lanes]

    init(groupSize: Int) {
        let vectors = (groupSize + GroupQuantizer.Lanes.scalarCount - 1) / GroupQuantizer.Lanes.scalarCount
        weights = Array(repeating: .zero, count: vectors)
        importance = weights
    }

    mutating func scale(
        _ quantizer: GroupQuantizer, _ row: UnsafePointer<Float>, _ columnImportance: [Float],
        _ columns: Range<Int>
    ) -> GroupScale {
        let lanes = GroupQuantizer.Lanes.scalarCount
        let vectors = (columns.count + lanes - 1) / lanes
        weights.withUnsafeMutableBytes { weights in
            importance.withUnsafeMutableBytes { importance in
                let (weights, importance) = (
                    weights.assumingMemoryBound(to: Float.self),
                    importance.assumingMemoryBound(to: Float.self)
                )
                for (index, column) in columns.enumerated() {
                    weights[index] = row[column]
                    importance[index] = columnImportance[column]
                }
                for index in columns.count..<max(vectors * lanes, columns.count) {
                    weights[index] = 0
                    importance[index] = 0
                }
            }
        }
        return weights.withUnsafeBufferPointer { weights in
            importance.withUnsafeBufferPointer { importance in
                guard let weights = weights.baseAddress, let importance = importance.baseAddress else {
                    return GroupScale()
                }
                return quantizer.scale(weights, importance: importance, vectors: vectors)
            }
        }
    }
}
