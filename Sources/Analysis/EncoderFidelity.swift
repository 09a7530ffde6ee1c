import LinearAlgebra
import Tensors

/// How far an encoder's embeddings are from a reference's on the same distinct sentences.
public struct EncoderFidelity: Sendable, Codable, Equatable {
    /// Of a sentence's two embeddings, averaged over sentences.
    public let meanCosine: Double
    public let meanCosineStandardError: Double
    /// Share of a sentence's nearest neighbours (by cosine among the sentences, itself excluded; the first of equals) that
    /// both encoders agree on, averaged over sentences.
    public let overlap: Double
    public let overlapStandardError: Double
    /// How many nearest neighbours were compared: 10, or all others where there are fewer.
    public let neighbours: Int
    public let sentences: Int

    /// Compares row by row. n sentences of d numbers cost 2 n^2 d multiply-adds, in blocks of rows; memory n numbers per row
    /// of a block.
    /// - Throws: `AnalysisError.shapeMismatch`, `.tooFew` for fewer than two sentences, `.notFinite`.
    public static func measure(
        _ embeddings: Matrix, reference: Matrix, neighbours: Int = 10, context: ExecutionContext
    ) throws -> EncoderFidelity {
        guard embeddings.rows == reference.rows else {
            throw AnalysisError.shapeMismatch(
                what: "embeddings", expected: "\(reference.rows) sentences", got: "\(embeddings.rows)")
        }
        guard reference.rows >= 2 else {
            throw AnalysisError.tooFew(what: "sentences", needed: 2, got: reference.rows)
        }
        guard embeddings.isFinite, reference.isFinite else {
            throw AnalysisError.notFinite(what: "embeddings")
        }
        guard embeddings.columns == reference.columns else {
            throw AnalysisError.shapeMismatch(
                what: "embeddings", expected: "\(reference.columns) numbers",
                got: "\(embeddings.columns) numbers")
        }
        let (ours, theirs) = (normalizedRows(embeddings), normalizedRows(reference))
        let count = min(max(1, neighbours), ours.rows - 1)
        let cosines = (0..<ours.rows).map { row in
            zip(ours.row(row), theirs.row(row)).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        let found = try nearest(ours, count, context: context)
        let wanted = try nearest(theirs, count, context: context)
        let overlaps = zip(found, wanted).map { Double(Set($0).intersection($1).count) / Double(count) }
        return EncoderFidelity(
            meanCosine: Statistics.mean(cosines), meanCosineStandardError: Statistics.standardError(cosines),
            overlap: Statistics.mean(overlaps), overlapStandardError: Statistics.standardError(overlaps),
            neighbours: count, sentences: ours.rows)
    }

    /// The nearest other rows of each row.
    private static func nearest(_ rows: Matrix, _ count: Int, context: ExecutionContext) throws -> [[Int]] {
        let blockRows = 64
        let blocks = (rows.rows + blockRows - 1) / blockRows
        return try context.parallelMap(blocks) { block -> [[Int]] in
            let range = block * blockRows..<min(rows.rows, (block + 1) * blockRows)
            var similarities = Matrix(rows: range.count, columns: rows.rows)
            similarities.withMutableView { result in
                rows.withView { multiply($0.rows(range), $0, transposeB: true, into: result) }
            }
            return range.enumerated().map { index, row in
                largest(count, of: similarities.row(index), except: row)
            }
        }.flatMap { $0 }
    }

    /// Indices of the largest values, the first of equals, by keeping a short sorted list.
    private static func largest(_ count: Int, of values: ArraySlice<Float>, except excluded: Int) -> [Int] {
        var best: [(value: Float, index: Int)] = []
        for (index, value) in values.enumerated() where index != excluded {
            if best.count == count, let last = best.last, value <= last.value { continue }
            let place = best.firstIndex { $0.value < value } ?? best.count
            best.insert((value, index), at: place)
            if best.count > count { best.removeLast() }
        }
        return best.map(\.index)
    }

    /// Rows scaled to length 1, so that products are cosines; a row of zeros stays.
    private static func normalizedRows(_ matrix: Matrix) -> Matrix {
        var result = matrix
        for row in 0..<matrix.rows {
            let length = matrix.row(row).reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            guard length > 0 else { continue }
            for column in 0..<matrix.columns {
                result[row, column] = Float(Double(matrix[row, column]) / length)
            }
        }
        return result
    }
}
