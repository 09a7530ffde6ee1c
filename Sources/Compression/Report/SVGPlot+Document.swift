extension SVGPlot {
    /// Plots under each other as an SVG file of its own, with its style sheet; colours follow the reader's light or dark
    /// setting, and no style is left to variables, which not every program that shows SVG knows.
    package static func document(_ plots: [SVGPlot], title: String) -> String {
        let width = plots.map(\.width).max() ?? 480
        var top = 34
        var body = ""
        for plot in plots {
            body += "<svg x=\"0\" y=\"\(top)\" width=\"\(plot.width)\" height=\"\(plot.height)\" " + plot.svg.dropFirst("<svg ".count)
            top += plot.height + 16
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(top)" width="\(width)" height="\(top)">
            <style>\(documentStyle)</style>
            <rect class="b" width="\(width)" height="\(top)"/><text class="t" x="16" y="22">\(Markup.escape(title))</text>
            \(body)
            </svg>

            """
    }

    private static var documentStyle: String {
        func colours(_ series: [String], ink: String, soft: String, line: String, neutral: String, ground: String) -> String {
            let classes = (series.enumerated().map { ("s\($0)", $1) } + [("sn", neutral)]).map { name, colour in
                ".p.\(name){fill:\(colour)}.l.\(name){stroke:\(colour)}"
            }.joined()
            return ".b{fill:\(ground)}text{fill:\(soft)}.t{fill:\(ink)}.g{stroke:\(line)}.a{stroke:\(soft)}.h{stroke:\(ink)}" + classes
        }
        return """
            text{font:12px sans-serif}.e{text-anchor:end}.m{text-anchor:middle}
            .g,.a,.l,.h{fill:none}.g{stroke-width:.7}.l{stroke-width:1.6;stroke-linejoin:round}.h{stroke-width:1.8}
            \(colours(lightColours, ink: "#1c2128", soft: "#59636e", line: "#d1d9e0", neutral: "#9aa1ab", ground: "#fff"))
            @media (prefers-color-scheme:dark){\(colours(
                darkColours, ink: "#f0f6fc", soft: "#9198a1", line: "#3d444d", neutral: "#717a87", ground: "#0d1117"))}
            """
    }
}
