/// The sweep as a page in the manner of a compression's report.
extension SweepResults {
    package var html: String {
        HTMLPage(
            title: "\(model): sizes and what they cost", kind: "Sweep over sizes", heading: model,
            summary: "\(architecture) · \(FigureText.bytes(bytesInF16)) in f16 · \(rows.count) points",
            sections: quantities.map(section) + [recipeSection]
        ).text
    }

    private func section(_ quantity: Budget.Quantity) -> String {
        let figures = shownFigures(quantity)
        // Quantiles and shares of the same measurement are in the table.
        let drawn = figures.filter { ["sts_spearman_100", "overlap", "mean_cosine", "perplexity", "kl_mean"].contains($0.key) }
        return """
            <section><h2>Budgets of \(quantity.rawValue)</h2>
            \(drawn.map { plots(of: $0, quantity) }.joined(separator: "\n"))
            <p class="caption"><b>auto</b> chooses family, size and precision for each matrix; <b>only</b> chooses among the sizes of one \
            family (and dense) from the same candidates with the same sensitivities; <b>control</b> treats every matrix alike and looks at \
            no text. Bars are one standard error up and down. Rest the pointer on a point for its figures.</p>
            \(table(quantity, figures))
            </section>
            """
    }

    // MARK: - Plots

    private func plots(of figure: QualityFigure, _ quantity: Budget.Quantity) -> String {
        var plots = [("\(figure.name) against size", sizePlot(figure, quantity))]
        let speeds = rows.first { $0.budget.quantity == quantity && $0.measured?.speeds.isEmpty == false }?.measured?.speeds ?? []
        for speed in speeds { plots.append(("\(figure.name) against time, \(speed.unit)", timePlot(figure, quantity, speed))) }
        let figures = plots.map { "<figure><figcaption>\(Markup.escape($0.0))</figcaption>\($0.1.svg)</figure>" }
        return "<div class=\"pair\">\(figures.joined())</div>"
    }

    private func yAxis(_ figure: QualityFigure) -> SVGPlot.Axis {
        // Losses of ruined models are orders of magnitude above the rest.
        figure.isLoss
            ? .init(title: "\(figure.name) (log)", scale: .logarithmic(floor: figure.key.hasPrefix("kl") ? 1e-6 : nil))
            : .init(title: figure.name)
    }

    private func sizePlot(_ figure: QualityFigure, _ quantity: Budget.Quantity) -> SVGPlot {
        let isBytes = quantity != .multiplyAdds
        func size(_ measured: SweepRow.Measured) -> Double {
            isBytes ? Double(measured.bytes) / Double(max(1, bytesInF16)) : Double(measured.multiplyAdds) / Double(max(1, multiplyAdds))
        }
        var series = lines(figure, quantity) { size($0) }
        if let dense = figures.first(where: { $0.key == figure.key }) {
            series.append(
                .init(
                    name: "dense", style: nil, isConnected: false,
                    points: [.init(x: 1, y: dense.value, label: "dense in f16: \(Self.text(dense))", error: dense.standardError)]))
        }
        return SVGPlot(
            description: "\(figure.name) against size, a line for each method.",
            x: .init(
                title: isBytes ? "bytes of the whole model, of f16" : "multiply-adds, of dense",
                scale: .linear(includesZero: true), ticks: .percent),
            y: yAxis(figure), series: series)
    }

    private func timePlot(_ figure: QualityFigure, _ quantity: Budget.Quantity, _ speed: SweepRow.Speed) -> SVGPlot {
        SVGPlot(
            description: "\(figure.name) against time, a marker for each point.",
            x: .init(title: "time, of dense", scale: .linear(includesZero: true), ticks: .percent),
            y: yAxis(figure),
            series: lines(figure, quantity) { measured in
                measured.speeds.first { $0.batch == speed.batch }?.measurement.ratio
            })
    }

    private func lines(
        _ figure: QualityFigure, _ quantity: Budget.Quantity, _ x: (SweepRow.Measured) -> Double?
    ) -> [SVGPlot.Series] {
        methods(quantity).enumerated().map { index, method in
            let points = rows.filter { $0.method == method && $0.budget.quantity == quantity }.compactMap { row -> SVGPlot.Point? in
                guard let measured = row.measured, let value = measured.figure(figure.key), let place = x(measured) else { return nil }
                return SVGPlot.Point(
                    x: place, y: value.value, label: tooltip(row, measured), target: row.id, error: value.standardError)
            }
            return SVGPlot.Series(name: method, style: index, points: points.sorted { $0.x < $1.x })
        }
    }

    private func tooltip(_ row: SweepRow, _ measured: SweepRow.Measured) -> String {
        ([
            "\(row.method), \(row.budget.text)",
            "\(FigureText.bytes(measured.bytes)) (\(FigureText.share(measured.bytes, of: bytesInF16)) of f16)",
        ] + measured.figures.map { "\($0.name) \(Self.text($0))" }
            + measured.speeds.map { "\($0.unit): \(FigureText.fixed($0.measurement.ratio, decimals: 2)) of dense's time" })
            .joined(separator: " · ")
    }

    // MARK: - Table

    private func table(_ quantity: Budget.Quantity, _ figures: [QualityFigure]) -> String {
        let speeds = rows.first { $0.budget.quantity == quantity && $0.measured?.speeds.isEmpty == false }?.measured?.speeds ?? []
        let head = (["bytes", "of f16", "multiply-adds"] + figures.map(\.name) + speeds.map { "time of dense, \($0.unit)" })
            .map { "<th class=\"n\">\(Markup.escape($0))</th>" }.joined()
        let styles = Dictionary(uniqueKeysWithValues: methods(quantity).enumerated().map { ($1, $0) })
        let dense = figures.map { figure in
            "<td class=\"n\">\(self.figures.first { $0.key == figure.key }.map(Self.text) ?? FigureText.absent)</td>"
        }.joined()
        var body = [
            """
            <tr><th scope="row"><i class="k sn"></i>dense</th><td></td><td class="n">\(FigureText.grouped(bytes))</td>\
            <td class="n">\(FigureText.share(bytes, of: bytesInF16))</td><td class="n">100.0 %</td>\(dense)\
            \(speeds.map { _ in "<td class=\"n\">1</td>" }.joined())<td></td></tr>
            """
        ]
        for row in rows where row.budget.quantity == quantity {
            let name = "<i class=\"k \(SVGPlot.styleClass(styles[row.method]))\"></i>\(Markup.escape(row.method))"
            let start = "<tr id=\"\(row.id)\"><th scope=\"row\">\(name)</th><td class=\"n\">\(row.budget.shareText) %</td>"
            guard let measured = row.measured else {
                body.append(
                    start + "<td colspan=\"\(3 + figures.count + speeds.count)\">\(Markup.escape(row.error ?? FigureText.absent))</td><td></td></tr>")
                continue
            }
            var cells = [
                FigureText.grouped(measured.bytes), FigureText.share(measured.bytes, of: bytesInF16),
                FigureText.share(measured.multiplyAdds, of: multiplyAdds),
            ]
            cells += figures.map { measured.figure($0.key).map(Self.text) ?? FigureText.absent }
            cells += speeds.map { speed in
                measured.speeds.first { $0.batch == speed.batch }.map {
                    "\(FigureText.fixed($0.measurement.ratio, decimals: 2)) (\(FigureText.fixed($0.measurement.ratioLower, decimals: 2)) to \(FigureText.fixed($0.measurement.ratioUpper, decimals: 2)))"
                } ?? FigureText.absent
            }
            let plan = row.plan.map { "<a href=\"\(Markup.escape($0))\">plan</a>" } ?? ""
            body.append(start + cells.map { "<td class=\"n\">\($0)</td>" }.joined() + "<td>\(plan)</td></tr>")
        }
        let on = figures.first.map { "Measured on \(Markup.escape($0.measuredOn)). " } ?? ""
        return """
            <div class="wide"><table><thead><tr><th>method</th><th class="n">budget</th>\(head)<th></th></tr></thead>
            <tbody>\(body.joined(separator: "\n"))</tbody></table></div>
            <p class="caption">\(on)Bytes are those of all tensors of the model, embeddings and norms too, in f16 where compared; \
            multiply-adds those of all its matrices for one token. Times were taken in turns with the dense \
            model, quartiles in brackets.</p>
            """
    }

    private var recipeSection: String {
        let facts = recipe + (isTimed ? [("processor", processor), ("threads", "\(threads)")] : [])
        let entries = facts.map { "<dt>\(Markup.escape($0.name))</dt><dd>\(Markup.breakable($0.value))</dd>" }.joined()
        return """
            <section><h2>How it was made</h2>
            <dl>\(entries)</dl>
            <p class="caption">A point becomes a model by <code>tessera compress MODEL --plan plan-….json -o FOLDER</code>.</p>
            </section>
            """
    }
}

extension SweepRow {
    /// Of its row in the page.
    fileprivate var id: String {
        let text = "\(method) \(budget.quantity.rawValue) \(budget.shareText)"
        return String(text.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
    }
}
