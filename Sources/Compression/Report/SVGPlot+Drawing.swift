extension SVGPlot {
    /// The plot as one `<svg>` element. Cost: linear in the points.
    public var svg: String {
        let drawable = series.map { series in
            series.points.filter { PlotAxis.isDrawable($0.x) && PlotAxis.isDrawable($0.y) }
        }
        let ring = highlight.flatMap { PlotAxis.isDrawable($0.x) && PlotAxis.isDrawable($0.y) ? $0 : nil }
        let skipped = series.reduce(0) { $0 + $1.points.count } - drawable.reduce(0) { $0 + $1.count }
        let all = drawable.flatMap { $0 } + (ring.map { [$0] } ?? [])
        let horizontal = PlotAxis(x, values: all.map(\.x), count: width / 90)
        // A bar that reaches below a log axis ends at its edge, and is no reason for a note.
        let bars = all.flatMap { point in
            point.bar.map { y.isLogarithmic && $0.low <= 0 ? [$0.high] : [$0.low, $0.high] } ?? []
        }
        let vertical = PlotAxis(y, values: all.map(\.y) + bars, count: 5)

        var notes = [horizontal.note, vertical.note].compactMap { $0 }
        if notes.count == 2, notes[0] == notes[1] { notes.removeLast() }
        if skipped > 0 { notes.append("\(skipped) \(skipped == 1 ? "point is" : "points are") not finite and not drawn.") }

        let legend = legendLayout(ring: ring)
        let frame = Frame(
            left: 62, top: 12 + 16 * legend.rows, right: width - 26,
            bottom: height - 38 - (notes.isEmpty ? 0 : 14), x: horizontal, y: vertical)

        var svg = "<svg class=\"plot\" viewBox=\"0 0 \(width) \(height)\" role=\"img\" aria-label=\"\(Markup.escape(description))\">"
        svg += axes(frame)
        for (series, points) in zip(series, drawable) { svg += drawing(series, points, frame) }
        if let ring {
            svg += "<circle class=\"h\" cx=\"\(Self.tenths(frame.x(ring)))\" cy=\"\(Self.tenths(frame.y(ring)))\" r=\"6.5\"/>"
        }
        if all.isEmpty {
            let (middle, height) = ((frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2)
            svg += "<text class=\"m\" x=\"\(middle)\" y=\"\(height)\">nothing to draw</text>"
        }
        if !notes.isEmpty {
            svg += "<text class=\"e\" x=\"\(frame.right)\" y=\"\(height - 4)\">\(Markup.escape(notes.joined(separator: " ")))</text>"
        }
        return svg + legend.svg + "</svg>"
    }

    /// The rectangle the axes span, in drawing units.
    private struct Frame {
        let left: Int
        let top: Int
        let right: Int
        let bottom: Int
        let x: PlotAxis
        let y: PlotAxis

        func x(_ point: Point) -> Double { x(point.x) }
        func y(_ point: Point) -> Double { y(point.y) }
        func x(_ value: Double) -> Double { Double(left) + x.fraction(of: value) * Double(right - left) }
        func y(_ value: Double) -> Double { Double(bottom) - y.fraction(of: value) * Double(bottom - top) }
    }

    private func axes(_ frame: Frame) -> String {
        var grid = ""
        var labels = ""
        for tick in frame.y.ticks {
            let height = frame.y(tick.value)
            grid += "M\(frame.left) \(Self.tenths(height))h\(frame.right - frame.left)"
            labels += "<text x=\"\(frame.left - 6)\" y=\"\(Self.tenths(height + 4))\">\(Markup.escape(tick.label))</text>"
        }
        var feet = ""
        for tick in frame.x.ticks {
            let place = Self.tenths(frame.x(tick.value))
            grid += "M\(place) \(frame.bottom)v4"
            feet += "<text x=\"\(place)\" y=\"\(frame.bottom + 16)\">\(Markup.escape(tick.label))</text>"
        }
        let middle = (frame.top + frame.bottom) / 2
        return """
            <path class="g" d="\(grid)"/>\
            <path class="a" d="M\(frame.left) \(frame.top)V\(frame.bottom)H\(frame.right)"/>\
            <g class="e">\(labels)</g><g class="m">\(feet)\
            <text class="t" x="\((frame.left + frame.right) / 2)" y="\(frame.bottom + 32)">\(Markup.escape(x.title))</text>\
            <text class="t" transform="translate(12 \(middle))rotate(-90)">\(Markup.escape(y.title))</text></g>
            """
    }

    private func drawing(_ series: Series, _ points: [Point], _ frame: Frame) -> String {
        guard !points.isEmpty else { return "" }
        let style = Self.styleClass(series.style)
        var svg = ""
        if series.isConnected, points.count > 1 {
            let path = points.map { "\(Self.tenths(frame.x($0))) \(Self.tenths(frame.y($0)))" }.joined(separator: "L")
            svg += "<path class=\"l \(style)\" d=\"M\(path)\"/>"
            // So many points touch; the line says it all.
            if points.count > 40, points.allSatisfy({ $0.label == nil && $0.target == nil }) { return svg }
        }
        let shape = Self.marker(series.style)
        let bars = points.compactMap { point in
            point.bar.map { "M\(Self.tenths(frame.x(point))) \(Self.tenths(frame.y($0.low)))V\(Self.tenths(frame.y($0.high)))" }
        }.joined()
        if !bars.isEmpty { svg += "<path class=\"l \(style)\" d=\"\(bars)\"/>" }
        var plain = ""
        for point in points {
            let path = "M\(Self.tenths(frame.x(point))) \(Self.tenths(frame.y(point)))\(shape)"
            if point.label == nil, point.target == nil {
                plain += path
                continue
            }
            let title = point.label.map { "<title>\(Markup.escape($0))</title>" } ?? ""
            let marker = "<path class=\"p \(style)\" d=\"\(path)\">\(title)</path>"
            svg += point.target.map { "<a href=\"#\(Markup.escape($0))\">\(marker)</a>" } ?? marker
        }
        return plain.isEmpty ? svg : svg + "<path class=\"p \(style)\" d=\"\(plain)\"/>"
    }

    /// Entries from left to right over the frame, in as many rows as they need.
    private func legendLayout(ring: Point?) -> (svg: String, rows: Int) {
        var entries: [(mark: String, name: String)] = []
        if series.count > 1 || ring != nil {
            for series in series where !series.name.isEmpty {
                let style = Self.styleClass(series.style)
                entries.append(("<path class=\"p \(style)\" d=\"M0 0\(Self.marker(series.style))\"/>", series.name))
            }
        }
        if let label = ring?.label { entries.append(("<circle class=\"h\" r=\"5\"/>", label)) }
        var svg = ""
        var (place, row) = (62, 0)
        for (mark, name) in entries {
            let shown = name.count > 60 ? name.prefix(59) + "…" : name[...]
            let wide = 24 + (shown.count * 34 + 4) / 5
            if place > 62, place + wide > width {
                place = 62
                row += 1
            }
            svg += "<g transform=\"translate(\(place + 6) \(12 + 16 * row))\">\(mark)<text class=\"t\" x=\"10\" y=\"4\">\(Markup.escape(String(shown)))</text></g>"
            place += wide
        }
        return (svg, entries.isEmpty ? 0 : row + 1)
    }

    /// A marker's outline, relative to its centre.
    private static func marker(_ style: Int?) -> String {
        let shapes = [
            "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0", "m-2.6-2.6h5.2v5.2h-5.2z", "m0-3.6l3.6 6h-7.2z", "m0-4l4 4-4 4-4-4z",
            "m0 3.6l3.6-6h-7.2z",
        ]
        return shapes[Int((style ?? 0).magnitude % UInt(shapes.count))]
    }

    /// "12.3", "12": a coordinate rounded to 0.1.
    static func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        let (whole, rest) = tenths.magnitude.quotientAndRemainder(dividingBy: 10)
        return (tenths < 0 ? "-" : "") + (rest == 0 ? "\(whole)" : "\(whole).\(rest)")
    }
}
