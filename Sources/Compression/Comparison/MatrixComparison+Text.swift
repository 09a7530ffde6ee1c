import Fitting
import StructuredMatrices

extension MatrixComparison.Result {
    /// The table for a terminal: sizes one after the other, in each the fitted methods and then those that could not
    /// serve, with their reasons; what the marks mean below. Ends with a newline.
    package var text: String {
        let shape = subject.shape
        var lines = ["\(subject.name): \(shape), dense in \(comparison.precision.rawValue) \(FigureText.bytes(dense.storedBytes))"]
        lines.append(
            "fitted under \(comparison.objective.rawValue)" + (subject.calibration.map { " (\($0))" } ?? "")
                + ", timed on \(threads) \(threads == 1 ? "thread" : "threads") of \(processor)")
        for size in comparison.sizes {
            lines += ["", "at most \(size.text)", ""] + table(size).lines
            for row in rows where row.size == size {
                if case .refused(let reason) = row.outcome { lines.append("cannot serve  \(row.method.name): \(reason)") }
            }
        }
        for family in SizedMethod.unfitted { lines.append("cannot serve  \(family.name): no fitter is registered") }
        lines += ["", Self.legend]
        for name in Set(rows.compactMap { $0.outcome.fitted?.refinement }).sorted() {
            lines.append("+ \(name): makes another objective small than \(comparison.objective.rawValue); refined under it by \(name).")
        }
        if rows.contains(where: { !$0.servesObjective && $0.outcome.fitted.map { $0.refinement == nil } == true }) {
            lines.append("*: makes another objective small than \(comparison.objective.rawValue); its error is measured under it.")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static let legend = """
        bytes: of the dense matrix in f16. error: squared, relative to the matrix's own size under the objective. x: times as
        fast as dense, in turns with it; !: slower than dense, by the sign test over the rounds.
        """

    private func table(_ size: SizeShare) -> TerminalTable {
        var columns: [TerminalTable.Column] = [
            .init("method"), .init("family"), .init("parameters", .right), .init("bytes", .right), .init("", .right),
            .init("macs", .right),
        ]
        columns += objectives.map { .init($0.rawValue, .right) }
        columns.append(.init("fit s", .right))
        for batch in comparison.batches { columns += [.init("batch \(batch)", .right), .init("x", .right)] }
        var table = TerminalTable(columns: columns, width: 200)
        let (wholeBytes, wholeNumbers) = (Double(2 * subject.shape.count), Double(subject.shape.count))
        func amounts(_ cost: Cost) -> [String] {
            [
                FigureText.percent(Double(cost.parameters) / wholeNumbers), FigureText.grouped(cost.storedBytes),
                FigureText.percent(Double(cost.storedBytes) / wholeBytes),
                FigureText.percent(Double(cost.multiplyAdds) / wholeNumbers),
            ]
        }
        let denseTimes = denseSeconds.flatMap { [Self.duration($0), ""] }
        table.rows.append(.cells(["dense", "dense"] + amounts(dense) + objectives.map { _ in "" } + [""] + denseTimes))
        for row in rows where row.size == size {
            guard let fitted = row.outcome.fitted else { continue }
            let times = fitted.times.flatMap {
                [Self.duration($0.seconds), FigureText.fixed($0.timesDense, decimals: 2) + ($0.isSlower ? "!" : " ")]
            }
            table.rows.append(
                .cells(
                    [row.method.name + mark(row, fitted), row.method.family.name] + amounts(fitted.matrix.cost)
                        + fitted.errors.map { FigureText.scientific($0) } + [FigureText.fixed(fitted.seconds, decimals: 2)] + times))
        }
        return table
    }

    /// How a method that cannot make the objective small came to its error.
    private func mark(_ row: MatrixComparison.Row, _ fitted: MatrixComparison.Fitted) -> String {
        fitted.refinement.map { " + \($0)" } ?? (row.servesObjective ? "" : "*")
    }

    private static func duration(_ seconds: Double) -> String { FigureText.fixed(seconds * 1e6, decimals: 1) + " µs" }
}
