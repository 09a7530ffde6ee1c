extension ModelResults where Format == CompressionFormat {
    /// The sizes that there are rows of, by quantity and then the largest first.
    private func budgets(_ isWanted: (Budget) -> Bool = { _ in true }) -> [Budget] {
        var found: [Budget] = []
        for row in rows where !found.contains(row.budget) && isWanted(row.budget) { found.append(row.budget) }
        let order = Budget.Quantity.allCases
        return found.sorted {
            let (left, right) = (order.firstIndex(of: $0.quantity) ?? 0, order.firstIndex(of: $1.quantity) ?? 0)
            return left == right ? $0.fraction > $1.fraction : left < right
        }
    }

    private var methods: [String] {
        var names: [String] = []
        for row in rows where !names.contains(row.method) { names.append(row.method) }
        return names
    }

    /// Figures to show in tables, of those that the rows have.
    private var keys: [String] {
        let all = rows.first { $0.measured != nil }?.measured?.figures.map(\.key) ?? []
        return ["sts_spearman_100", "overlap", "mean_cosine", "perplexity", "kl_mean"].filter { all.contains($0) }
    }

    // MARK: - Terminal

    /// Every row on a line, then what could not be measured and how "auto" compares. Ends with a newline.
    package var text: String {
        let shown = rows.first { $0.measured != nil }?.measured?.figures.filter { keys.contains($0.key) } ?? []
        var table = TerminalTable(
            columns: [.init("method"), .init("budget"), .init("bytes", .right), .init("of f16", .right)]
                + shown.map { .init($0.name, .right) } + [.init("seconds", .right)], width: 200)
        table.rows.append(
            .cells(
                ["dense", "", FigureText.grouped(dense.bytes), FigureText.share(dense.bytes, of: dense.bytesInF16)]
                    + shown.map { figure in dense.figures.first { $0.key == figure.key }.map(SweepResults.text) ?? "" }))
        for row in rows {
            guard let measured = row.measured else { continue }
            table.rows.append(
                .cells(
                    [
                        row.method, row.budget.text, FigureText.grouped(measured.bytes),
                        FigureText.share(measured.bytes, of: dense.bytesInF16),
                    ] + shown.map { measured.figure($0.key).map(SweepResults.text) ?? FigureText.absent }
                        + [FigureText.fixed(measured.seconds, decimals: 1)]))
        }
        var lines = table.lines
        for row in rows { if let error = row.error { lines.append("none: \(row.method), \(row.budget.text): \(error)") } }
        for comparison in comparisons where !comparison.holds {
            lines.append(
                "auto is behind \(comparison.best) at \(comparison.budget.text): \(comparison.figure) "
                    + "\(FigureText.significant(comparison.auto)) against \(FigureText.significant(comparison.bestValue))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: - Markdown

    /// Tables of the model's rows: "auto" with error bars at every size, then every method at the sizes that single methods
    /// were asked for.
    package var markdown: String {
        func fact(_ name: String) -> String { identity.first { $0.name == name }?.value ?? FigureText.absent }
        let on = rows.first { $0.measured != nil }?.measured?.figures.first?.measuredOn ?? FigureText.absent
        let commits = Set(rows.map(\.commit)).filter { !$0.isEmpty }.sorted().joined(separator: ", ")
        let machines = Set(rows.map { "\($0.processor), \($0.threads) threads" }).sorted().joined(separator: "; ")
        let original = dense.figures.map { "\($0.name) \(SweepResults.text($0))" }.joined(separator: ", ")
        var lines = [
            "### \(model)", "",
            "Calibrated on \(fact("calibration")), measured on \(fact("evaluation")) (\(on)); seed \(fact("seed")); \(machines); "
                + "\(dates); commit \(commits.isEmpty ? FigureText.absent : commits). Dense: \(original.isEmpty ? "the measure" : original). Sizes are "
                + "shares of \(FigureText.grouped(dense.bytesInF16)) bytes, all the model's numbers in f16.", "",
        ]
        lines += autoTable
        lines += singleTable
        return lines.joined(separator: "\n") + "\n"
    }

    private var dates: String {
        let days = rows.map { String($0.date.prefix(10)) }
        guard let first = days.min(), let last = days.max() else { return FigureText.absent }
        return first == last ? first : "\(first) to \(last)"
    }

    private var autoTable: [String] {
        let own = rows.filter { $0.method == CompressionStudy.auto }
        guard !own.isEmpty else { return [] }
        let names = own.first { $0.measured != nil }?.measured?.figures.map { ($0.key, $0.name) } ?? []
        var lines = [
            "| auto | bytes | " + names.map { "\($0.1) | " }.joined() + "chosen |",
            "|---|--:|" + names.map { _ in "--:|" }.joined() + "---|",
        ]
        for budget in budgets({ budget in own.contains { $0.budget == budget } }) {
            guard let row = own.first(where: { $0.budget == budget }) else { continue }
            guard let measured = row.measured else {
                lines.append("| \(budget.text) | \(row.error ?? "") |")
                continue
            }
            let cells = names.map { key, _ in measured.figure(key).map(SweepResults.text) ?? FigureText.absent }
            lines.append(
                "| \(budget.text) | \(FigureText.share(measured.bytes, of: dense.bytesInF16)) | "
                    + cells.map { "\($0) | " }.joined() + "\(measured.form) |")
        }
        return lines + [""]
    }

    private var singleTable: [String] {
        let sizes = budgets { budget in rows.contains { $0.budget == budget && $0.method != CompressionStudy.auto } }
        let keys = keys.filter { Self.compared.contains($0) }
        guard !sizes.isEmpty, !keys.isEmpty else { return [] }
        let names = keys.compactMap { key in rows.lazy.compactMap { $0.measured?.figure(key)?.name }.first }
        var lines = [
            "Every method at every size: \(names.joined(separator: " / ")). A single method fits each linear layer to the same "
                + "share; tables are rounded to nearest at the matching bits.", "",
            "| method | " + sizes.map { "\($0.text) | " }.joined(),
            "|---|" + sizes.map { _ in "--:|" }.joined(),
        ]
        for method in methods {
            let cells = sizes.map { budget -> String in
                guard let measured = row(MethodAtBudget(method: method, family: nil, budget: budget))?.measured else { return FigureText.absent }
                return keys.compactMap { key in
                    measured.figure(key).map { FigureText.fixed($0.value, decimals: key == "overlap" ? 3 : 2) }
                }.joined(separator: " / ")
            }
            guard cells.contains(where: { $0 != FigureText.absent }) else { continue }
            lines.append("| `\(method)` | " + cells.map { "\($0) | " }.joined())
        }
        let refused = rows.filter { $0.measured == nil }
        if !refused.isEmpty {
            lines += ["", "No model of the size (\(FigureText.absent) above): the methods' reasons are in the file."]
        }
        return lines + [""]
    }
}
