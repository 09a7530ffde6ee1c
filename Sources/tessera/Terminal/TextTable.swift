/// Lines of text in aligned columns, two blanks apart.
struct TextTable {
    enum Alignment { case left, right }

    let alignments: [Alignment]
    private(set) var rows: [[String]] = []

    /// - Parameter alignments: one for each column; what stands last in a row is never padded.
    init(_ alignments: [Alignment]) { self.alignments = alignments }

    /// A row may have fewer cells than there are columns.
    mutating func append(_ cells: [String]) { rows.append(cells) }

    /// Every row as a line, without trailing blanks.
    var text: String {
        var widths = alignments.map { _ in 0 }
        for row in rows {
            for (column, cell) in row.enumerated().prefix(widths.count) { widths[column] = max(widths[column], cell.count) }
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated().prefix(widths.count) {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                line += (column > 0 ? "  " : "") + (alignments[column] == .right ? padding + cell : cell + padding)
            }
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}
