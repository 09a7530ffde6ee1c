extension CompressionReport {
    /// What the budget counts, and so the size axis of the plots.
    public enum SizeUnit: Sendable {
        case bytes
        case multiplyAdds
    }

    /// The report as one self-contained page (`HTMLPage`): no scripts, nothing fetched. Equal reports give equal bytes. Size:
    /// a few kilobytes for each matrix.
    public func html(sizeUnit: SizeUnit = .bytes) -> String {
        HTMLPage(
            title: "\(modelName): compression report", kind: "Compression report", heading: modelName,
            summary: "\(architecture) · \(matrices.count) matrices, \(selectedCount) of them took part",
            sections: [
                headlines, byteSection, qualitySection, overviewSection(sizeUnit), matrixSection(sizeUnit), recipeSection,
            ]
        ).text
    }

    // MARK: - Headline figures

    private var headlines: String {
        let matrices = selectedCount == 1 ? "the 1 matrix that took part" : "the \(selectedCount) matrices that took part"
        var tiles = [
            Self.tile(
                "Bytes of weights", before: FigureText.bytes(selectedBytesInF16), after: FigureText.bytes(selectedBytes),
                share: FigureText.share(selectedBytes, of: selectedBytesInF16),
                basis: "of \(matrices), against the same matrices in f16",
                exact: "\(FigureText.grouped(selectedBytesInF16)) → \(FigureText.grouped(selectedBytes)) bytes"),
            Self.tile(
                "Multiply-adds", before: FigureText.count(selectedMultiplyAddsDense),
                after: FigureText.count(selectedMultiplyAdds),
                share: FigureText.share(selectedMultiplyAdds, of: selectedMultiplyAddsDense),
                basis: "of \(matrices), for one input row, against dense",
                exact: "\(FigureText.grouped(selectedMultiplyAddsDense)) → \(FigureText.grouped(selectedMultiplyAdds))"),
            Self.tile(
                "Weight files on disk", before: FigureText.bytes(fileBytesBefore), after: FigureText.bytes(fileBytesAfter),
                share: FigureText.share(fileBytesAfter, of: fileBytesBefore),
                basis: "of everything the model keeps, as it lies on disk",
                exact: "\(FigureText.grouped(fileBytesBefore)) → \(FigureText.grouped(fileBytesAfter)) bytes"),
        ]
        if let row = quality.first {
            let error = row.standardErrorText.map { " <span class=\"soft pm\">± \($0)</span>" } ?? ""
            tiles.append(
                """
                <div class="tile"><h2>\(Markup.escape(row.name))</h2>\
                <p class="big">\(row.dense.map { _ in "\(row.denseText) → " } ?? "")<b>\(row.compressedText)</b>\(error)</p>\
                <p class="soft">quality on \(Markup.escape(qualityText))</p></div>
                """)
        }
        return "<section class=\"tiles\">\(tiles.joined())</section>"
    }

    private static func tile(
        _ title: String, before: String, after: String, share: String, basis: String, exact: String
    ) -> String {
        """
        <div class="tile"><h2>\(title)</h2><p class="big">\(before) → <b>\(after)</b></p>\
        <p><b>\(share)</b> <span class="soft">\(Markup.escape(basis))</span></p><p class="soft small">\(exact)</p></div>
        """
    }

    // MARK: - Quality

    private var qualitySection: String {
        guard !quality.isEmpty else {
            return "<section><h2>Quality</h2><p>Quality was not measured.</p></section>"
        }
        let rows = quality.map { row in
            """
            <tr><th scope="row">\(Markup.escape(row.name))</th><td class="n">\(row.denseText)</td>\
            <td class="n">\(row.compressedText)</td><td class="n">\(row.standardErrorText ?? FigureText.absent)</td></tr>
            """
        }
        return """
            <section><h2>Quality</h2>
            <div class="wide"><table><thead><tr><th>figure</th><th class="n">before</th><th class="n">compressed</th>\
            <th class="n">standard error</th></tr></thead><tbody>\(rows.joined(separator: "\n"))</tbody></table></div>
            <p class="caption">Measured on \(Markup.escape(qualityText)). The standard error says how far a figure would \
            move if it were measured on another sample of the same kind and size: a difference within two of them may be chance.</p>
            </section>
            """
    }

    // MARK: - Recipe

    private var recipeSection: String {
        let entries = recipe.map { "<dt>\(Markup.escape($0.name))</dt><dd>\(Markup.breakable($0.value))</dd>" }.joined()
        let notes = allocationNotes.map { "<li>\(Markup.escape($0))</li>" }.joined()
        return """
            <section><h2>How it was made</h2>
            \(entries.isEmpty ? "" : "<dl>\(entries)</dl>")
            \(notes.isEmpty ? "" : "<h3>Choosing under one budget</h3><ul>\(notes)</ul>")
            </section>
            """
    }
}

extension CompressionReport.QualityRow {
    private var decimals: Int { FigureText.measuredDecimals(compressed, standardError: standardError) }

    package var compressedText: String { FigureText.fixed(compressed, decimals: decimals) }
    package var denseText: String { dense.map { FigureText.fixed($0, decimals: decimals) } ?? FigureText.absent }
    package var standardErrorText: String? { standardError.map { FigureText.fixed($0, decimals: decimals) } }
}
