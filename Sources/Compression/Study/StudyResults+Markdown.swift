import ModelFiles

extension StudyResults {
    /// The section of Docs/families.md on what a study measured, from its file.
    /// - Throws: `ModelFileError`, `CompressionError.studyUnreadable`.
    package static func markdown(file: String, named name: String) throws -> String {
        let document = try JSONValue.read(file: file)
        func problem(_ reason: String) -> CompressionError { .studyUnreadable(file: file, reason: reason) }
        guard document["tessera_study"]?.intValue == 1, let entries = document["rows"]?.arrayValue,
            let dense = document["dense"]?["sts_spearman_100"]?.doubleValue, let matrices = document["matrices"]?.arrayValue
        else { throw problem("expected \"tessera_study\": 1, \"rows\", \"dense\" and \"matrices\"") }
        func text(_ key: String) -> String { document[key]?.stringValue ?? FigureText.absent }
        let objective = text("objective")
        let rows = try entries.enumerated().map { index, entry in
            guard let row = StudyRow(json: entry, objectives: [objective]) else { throw problem("row \(index) is incomplete") }
            return row
        }
        let weights = matrices.reduce(0) { $0 + ($1["shape"]?.arrayValue?.compactMap(\.intValue).reduce(1, *) ?? 0) }
        var lines = [
            "## Measured", "",
            "From `\(name)`, written by `tessera bench families`: the \(matrices.count) linear matrices of \(text("model")) fitted",
            "under \(objective) on \(text("calibration")), factors in \(text("precision")), seed \(text("seed")). The dense model",
            "scores \(FigureText.fixed(dense, decimals: 2)) (Spearman correlation x 100 on STS-B dev). Overlap of the ten nearest neighbours",
            "and mean cosine are against the dense model. Error: squared, relative, under \(objective), the mean over the matrices.",
            "Seconds: of all fits together, on the threads that the file names for each row. Peak: memory that fitting the largest",
            "matrix took, over what the process held before; never more than \(peakMemoryFactor) times the weight and the second moments",
            "of its inputs as doubles, 8 (rows columns + columns^2) bytes. Better: on how many matrices the error is below that of",
            "`\(yardstick)` at the same size.", "",
            "| fitter | size | bits per weight | STS-B dev | overlap@10 | mean cosine | error | better | seconds | peak |",
            "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for row in rows {
            guard let measured = row.measured else { continue }
            let cells = [
                "`\(row.title)`", row.size,
                FigureText.fixed(8 * Double(measured.cost.storedBytes) / Double(max(1, weights)), decimals: 2),
                FigureText.fixed(measured.spearman, decimals: 2), FigureText.fixed(measured.overlap, decimals: 3),
                FigureText.fixed(measured.meanCosine, decimals: 3), FigureText.scientific(row.meanError(objective) ?? .nan),
                wins(of: row, among: rows, objective: objective).map(String.init) ?? FigureText.absent,
                FigureText.fixed(measured.seconds, decimals: 1), measured.peakMemory.map(FigureText.bytes) ?? FigureText.absent,
            ]
            lines.append("| " + cells.joined(separator: " | ") + " |")
        }
        let refused = rows.filter { $0.measured == nil }
        if !refused.isEmpty {
            lines += ["", "Could not serve: " + refused.map { "`\($0.fitter)` at \($0.size)" }.joined(separator: ", ") + "."]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What methods at shares of the parameters are held against.
    private static let yardstick = "activation-svd"

    /// Peaks of memory are below so many times the bytes of a weight and its Gram matrix as doubles; BLAST, whose products of
    /// blocks with blocks are b^2 r^2 doubles each, comes nearest.
    package static let peakMemoryFactor = 32

    /// On how many matrices a row's error is below the yardstick's at the same size; nil where there is none.
    private static func wins(of row: StudyRow, among rows: [StudyRow], objective: String) -> Int? {
        guard row.fitter != yardstick,
            let other = rows.first(where: { $0.fitter == yardstick && $0.size == row.size })?.measured,
            let measured = row.measured, measured.matrices.count == other.matrices.count
        else { return nil }
        return zip(measured.matrices, other.matrices).count { one, other in
            guard let error = one.errors[objective], let limit = other.errors[objective] else { return false }
            // The same matrix by another way is no win.
            return error < limit * (1 - 1e-5)
        }
    }
}
