extension CompressionReport {
    /// One row for every matrix, each opening onto its two plots.
    func matrixSection(_ unit: SizeUnit) -> String {
        let styles = familyStyles
        let rows = matrices.enumerated().map { index, row in
            matrixRow(row, number: index + 1, styles: styles, unit: unit)
        }
        let bytes = matrices.reduce(0) { $0 + $1.cost.storedBytes }
        let inF16 = matrices.reduce(0.0) { $0 + $1.bytesInF16 }
        let multiplyAdds = matrices.reduce(0) { $0 + $1.cost.multiplyAdds }
        let dense = matrices.reduce(0.0) { $0 + $1.denseMultiplyAdds }
        return """
            <section><h2>Every matrix</h2>
            <p class="caption">Open a row for two plots. <b>Error against size:</b> each line is one family of structured matrices, \
            each marker one size that was tried; lower and further left is better, and the ring marks the choice. The choice is \
            not always this matrix’s own best, as all matrices share one budget. <b>Spectrum:</b> the singular values of the \
            matrix (seen through its typical inputs where the objective knows them), relative to the largest. If they fall \
            fast, a few directions carry most of what the matrix does, and low rank fits well; a flat line asks for another family. \
            <b>Sensitivity</b> is the estimated harm to the model’s output for each unit of relative error.</p>
            <table class="matrices"><thead><tr><th class="n">no.</th><th>matrix</th><th class="n">shape</th><th>compressed as</th><th class="n">bytes</th>\
            <th class="n">of f16</th><th class="n">multiply-adds</th><th class="n">relative error</th><th class="n">sensitivity</th></tr></thead>
            \(rows.joined(separator: "\n"))
            <tfoot><tr><td></td><th scope="row">all \(matrices.count) matrices</th><td></td><td></td><td class="n" data-l="bytes">\(FigureText.grouped(bytes))</td>\
            <td class="n" data-l="of f16">\(FigureText.percent(Double(bytes) / inF16))</td><td class="n" data-l="multiply-adds">\(FigureText.percent(Double(multiplyAdds) / dense))</td>\
            <td></td><td></td></tr></tfoot></table>
            </section>
            """
    }

    private func matrixRow(_ row: MatrixRow, number: Int, styles: [String: Int], unit: SizeUnit) -> String {
        let swatch = "<i class=\"k \(row.tookPart ? SVGPlot.styleClass(row.family.flatMap { styles[$0] }) : "sn")\"></i>"
        return """
            <tbody id="m\(number)"><tr><td class="n">\(number)</td><th scope="row">\(Markup.breakable(row.name))</th>\
            <td class="n" data-l="shape">\(row.shape.rows) × \(row.shape.columns)</td><td class="as">\(swatch)\(Markup.escape(row.outcome))</td>\
            <td class="n" data-l="bytes">\(FigureText.grouped(row.cost.storedBytes))</td>\
            <td class="n" data-l="of f16">\(FigureText.percent(row.shareOfBytes))</td>\
            <td class="n" data-l="multiply-adds">\(FigureText.percent(row.shareOfMultiplyAdds))</td>\
            <td class="n" data-l="relative error">\(FigureText.scientific(row.relativeError))</td>\
            <td class="n" data-l="sensitivity">\(FigureText.significant(row.sensitivity))</td></tr>\(details(row, styles: styles, unit: unit))</tbody>
            """
    }

    private func details(_ row: MatrixRow, styles: [String: Int], unit: SizeUnit) -> String {
        let plots = [
            ("Error against size", errorPlot(row, styles: styles, unit: unit)), ("Spectrum", spectrumPlot(row)),
        ]
        let figures = plots.compactMap { name, svg in svg.map { "<figure><figcaption>\(name)</figcaption>\($0)</figure>" } }
        if figures.isEmpty { return "" }
        return """
            <tr class="d"><td></td><td colspan="8"><details><summary>error against size, spectrum</summary>\
            <div class="pair">\(figures.joined())</div></details></td></tr>
            """
    }
}
