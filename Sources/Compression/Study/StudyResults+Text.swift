extension StudyResults {
    /// The rows as a table for a terminal, and below it what could not be measured and why. Ends with a newline.
    package var text: String {
        var table = TerminalTable(
            columns: [
                .init("fitter"), .init("family"), .init("size"), .init("parameters", .right), .init("bits/weight", .right),
                .init("STS", .right), .init("overlap@\(dense.fidelity.neighbours)", .right), .init("cosine", .right),
            ] + objectives.map { .init($0.rawValue, .right) } + [.init("fit s", .right), .init("peak", .right)], width: 200)
        let weights = matrices.reduce(0) { $0 + $1.shape.reduce(1, *) }
        table.rows.append(
            .cells(["dense", "dense", "", "100.0 %", "", FigureText.fixed(dense.similarity.spearman, decimals: 2)]))
        for row in rows {
            guard let measured = row.measured else { continue }
            table.rows.append(
                .cells(
                    [
                        row.title, row.family, row.size, FigureText.share(measured.cost.parameters, of: weights),
                        FigureText.fixed(8 * Double(measured.cost.storedBytes) / Double(max(1, weights)), decimals: 2),
                        FigureText.fixed(measured.spearman, decimals: 2), FigureText.fixed(measured.overlap, decimals: 3),
                        FigureText.fixed(measured.meanCosine, decimals: 3),
                    ] + objectives.map { FigureText.scientific(row.meanError($0.rawValue) ?? .nan) } + [
                        FigureText.fixed(measured.seconds, decimals: 1), measured.peakMemory.map(FigureText.bytes) ?? FigureText.absent,
                    ]))
        }
        var lines = table.lines
        for row in rows { if let error = row.error { lines.append("refused  \(row.fitter), \(row.size): \(error)") } }
        lines += ["", Self.legend]
        return lines.joined(separator: "\n") + "\n"
    }

    private static let legend = """
        Squared errors relative to each matrix's own size, means over the matrices. fit s: all matrices together. peak: memory
        that fitting the largest matrix took, over what the process held before.
        """
}
