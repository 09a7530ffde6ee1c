extension CompressionReport {
    /// The report for a terminal: every matrix and what became of it, totals, quality, notes. At most 120 columns.
    ///
    /// Matrices of one layer stand under a heading with the part of the name they share. Ends with a newline.
    public var text: String {
        var lines = ["\(Self.printable(modelName)) (\(Self.printable(architecture)))", ""]
        lines += coverageTable.lines
        lines.append("")
        lines += totalLines
        lines += qualityLines
        lines += allocationNotes.flatMap { Self.indented(Self.printable($0), by: "note: ") }
        return lines.joined(separator: "\n") + "\n"
    }

    private var coverageTable: TerminalTable {
        var table = TerminalTable(columns: [
            .init("matrix", wraps: true), .init("shape", .right), .init("compressed as", wraps: true), .init("bytes", .right),
            .init("of f16", .right), .init("macs", .right), .init("error", .right),
        ])
        for group in groups {
            if group.rows.count > 1, !group.prefix.isEmpty { table.rows.append(.heading(Self.printable(group.prefix))) }
            for row in group.rows {
                let isGrouped = group.rows.count > 1 && !group.prefix.isEmpty
                let name = isGrouped ? "  " + row.name.dropFirst(group.prefix.count) : row.name
                table.rows.append(
                    .cells([
                        Self.printable(name), row.shape.description, Self.printable(row.outcome),
                        FigureText.grouped(row.cost.storedBytes), FigureText.percent(row.shareOfBytes),
                        FigureText.percent(row.shareOfMultiplyAdds), FigureText.scientific(row.relativeError, decimals: 1),
                    ]))
            }
        }
        let bytes = matrices.reduce(0) { $0 + $1.cost.storedBytes }
        let multiplyAdds = matrices.reduce(0) { $0 + $1.cost.multiplyAdds }
        table.rows += [
            .rule,
            .cells([
                "all \(matrices.count) matrices", "", "", FigureText.grouped(bytes),
                FigureText.percent(Double(bytes) / matrices.reduce(0.0) { $0 + $1.bytesInF16 }),
                FigureText.percent(Double(multiplyAdds) / matrices.reduce(0.0) { $0 + $1.denseMultiplyAdds }), "",
            ]),
        ]
        return table
    }

    /// Neighbours whose names agree up to the dot after their first number: "encoder.layer.0.".
    private var groups: [(prefix: String, rows: [MatrixRow])] {
        var groups: [(prefix: String, rows: [MatrixRow])] = []
        for row in matrices {
            let prefix = Self.layerPrefix(row.name)
            if let last = groups.last, last.prefix == prefix {
                groups[groups.endIndex - 1].rows.append(row)
            } else {
                groups.append((prefix, [row]))
            }
        }
        return groups
    }

    static func layerPrefix(_ name: String) -> String {
        var prefix = ""
        for component in name.split(separator: ".", omittingEmptySubsequences: false).dropLast() {
            prefix += component + "."
            if !component.isEmpty, component.allSatisfy({ $0.isASCII && $0.isNumber }) { return prefix }
        }
        return ""
    }

    private var totalLines: [String] {
        func line(_ name: String, _ before: Int, _ after: Int, _ unit: String?, _ basis: String) -> String {
            "\(name)  \(FigureText.grouped(before)) -> \(FigureText.grouped(after)) \(unit.map { "\($0) " } ?? "")(\(FigureText.share(after, of: before)) \(basis))"
        }
        let selected = "\(selectedCount) \(selectedCount == 1 ? "matrix" : "matrices") took part"
        var lines = [
            line("weights      ", selectedBytesInF16, selectedBytes, "bytes", "of f16; \(selected)"),
            line("multiply-adds", selectedMultiplyAddsDense, selectedMultiplyAdds, nil, "of dense, per input row; \(selected)"),
            line("weight files ", fileBytesBefore, fileBytesAfter, "bytes", "of the original files, everything counted"),
        ]
        if untouchedTensors > 0 {
            lines.append(
                "carried over   \(FigureText.grouped(untouchedTensors)) other tensors, \(FigureText.grouped(untouchedBytes)) bytes")
        }
        return lines
    }

    private var qualityLines: [String] {
        guard !quality.isEmpty else { return [] }
        let names = quality.map { Self.printable($0.name) }
        let widest = names.map(\.count).max() ?? 0
        let heading = Self.indented(Self.printable(qualityText), by: "quality on ")
        return heading
            + zip(names, quality).map { name, row in
                let before = row.dense == nil ? "" : "\(row.denseText) -> "
                let error = row.standardErrorText.map { " ± \($0)" } ?? ""
                return "  \(name)\(String(repeating: " ", count: widest - name.count))  \(before)\(row.compressedText)\(error)"
            }
    }

    /// `text` after `first`, continued under itself.
    private static func indented(_ text: String, by first: String) -> [String] {
        let margin = String(repeating: " ", count: first.count)
        return TerminalTable.wrapped(text, width: 120 - first.count).enumerated().map { ($0 == 0 ? first : margin) + $1 }
    }

    /// Names come from files: what could drive a terminal or reorder its text is written out, "\u{1B}".
    static func printable(_ text: String) -> String {
        var safe = ""
        for scalar in text.unicodeScalars {
            if Markup.isUnsafe(scalar) {
                safe += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
            } else {
                safe.unicodeScalars.append(scalar)
            }
        }
        return safe
    }
}
