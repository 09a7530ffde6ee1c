/// Aligned columns for a terminal, at most `width` wide; what does not fit its column goes on below, nothing is cut off.
package struct TerminalTable: Sendable {
    package enum Alignment: Sendable { case left, right }

    package struct Column: Sendable {
        package let title: String
        package let alignment: Alignment
        /// Columns that may wrap give way, the widest first, when the table is too wide.
        package let wraps: Bool

        package init(_ title: String, _ alignment: Alignment = .left, wraps: Bool = false) {
            self.title = title
            self.alignment = alignment
            self.wraps = wraps
        }
    }

    package enum Row: Sendable {
        case cells([String])
        /// A line of its own over the rows that follow.
        case heading(String)
        case rule
    }

    package let columns: [Column]
    package var rows: [Row] = []
    private let width: Int

    package init(columns: [Column], width: Int = 120) {
        self.columns = columns
        self.width = width
    }

    /// The lines, without trailing spaces.
    package var lines: [String] {
        let widths = columnWidths
        var lines = layOut(columns.map(\.title), widths)
        lines.append(rule(widths))
        for row in rows {
            switch row {
            case .cells(let cells): lines += layOut(cells, widths)
            case .heading(let text): lines += Self.wrapped(text, width: width)
            case .rule: lines.append(rule(widths))
            }
        }
        return lines
    }

    private func rule(_ widths: [Int]) -> String {
        String(repeating: "-", count: widths.reduce(0, +) + 2 * (widths.count - 1))
    }

    private var columnWidths: [Int] {
        var widths = columns.map(\.title.count)
        for case .cells(let cells) in rows {
            for (index, cell) in cells.enumerated() where index < widths.count { widths[index] = max(widths[index], cell.count) }
        }
        var excess = widths.reduce(0, +) + 2 * (widths.count - 1) - width
        while excess > 0 {
            let candidates = columns.indices.filter { columns[$0].wraps && widths[$0] > 16 }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
            excess -= 1
        }
        return widths
    }

    private func layOut(_ cells: [String], _ widths: [Int]) -> [String] {
        let wrapped = zip(cells, widths).map { Self.wrapped($0, width: max(1, $1)) }
        return (0..<(wrapped.map(\.count).max() ?? 0)).map { line in
            var text = ""
            for (index, lines) in wrapped.enumerated() {
                let cell = line < lines.count ? lines[line] : ""
                let padding = String(repeating: " ", count: max(0, widths[index] - cell.count))
                text += (index == 0 ? "" : "  ") + (columns[index].alignment == .left ? cell + padding : padding + cell)
            }
            return String(text.reversed().drop { $0 == " " }.reversed())
        }
    }

    /// Lines of at most `width`, broken after a space, else after a dot, slash or underscore, else anywhere.
    static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var rest = text[...]
        while rest.count > width {
            let head = rest.prefix(width)
            var cut = head.endIndex
            if rest[cut] != " " {
                if let space = head.lastIndex(of: " "), head[..<space].contains(where: { $0 != " " }) {
                    cut = space
                } else if let mark = head.lastIndex(where: { "./_".contains($0) }) {
                    cut = head.index(after: mark)
                }
            }
            lines.append(String(rest[..<cut]))
            rest = rest[cut...].drop { $0 == " " }
        }
        lines.append(String(rest))
        return lines
    }
}
