extension CompressionReport {
    /// Where the bytes are: two bars on one scale, and the table that names and counts their parts.
    var byteSection: String {
        let parts = self.parts
        let styles = familyStyles
        func style(_ part: Part) -> String {
            switch part.kind {
            case .family(let name): SVGPlot.styleClass(styles[name])
            case .left: "sn"
            case .otherTensors: "so"
            case .container: "sh"
            }
        }
        let longest = max(1, max(fileBytesBefore, fileBytesAfter))
        func bar(_ label: String, top: Int, bytes: (Part) -> Int, total: Int) -> String {
            var place = 0.0
            var svg = "<text x=\"0\" y=\"\(top + 18)\">\(label)</text>"
            for part in parts where bytes(part) > 0 {
                let wide = Double(bytes(part)) / Double(longest) * 560
                svg += """
                    <rect class="p \(style(part))" x="\(SVGPlot.tenths(56 + place))" y="\(top)" \
                    width="\(SVGPlot.tenths(wide))" height="28"><title>\(Markup.escape(part.name)): \
                    \(FigureText.grouped(bytes(part))) bytes</title></rect>
                    """
                place += wide
            }
            return svg + "<text class=\"t\" x=\"\(SVGPlot.tenths(62 + place))\" y=\"\(top + 18)\">\(FigureText.bytes(total))</text>"
        }
        let bars = """
            <svg class="plot bar" viewBox="0 0 700 76" role="img" aria-label="Bytes of the weight files before and after, by what became of them.">\
            \(bar("before", top: 4, bytes: \.bytesBefore, total: fileBytesBefore))\
            \(bar("after", top: 42, bytes: \.bytesAfter, total: fileBytesAfter))</svg>
            """
        let rows = parts.map { part in
            """
            <tr><th scope="row"><i class="k \(style(part))"></i>\(Markup.escape(part.name))</th>\
            <td class="n">\(part.count.map(FigureText.grouped) ?? FigureText.absent)</td>\
            <td class="n">\(FigureText.grouped(part.bytesBefore))</td><td class="n">\(FigureText.grouped(part.bytesAfter))</td>\
            <td class="n">\(FigureText.share(part.bytesAfter, of: part.bytesBefore))</td></tr>
            """
        }
        return """
            <section><h2>Where the bytes are</h2>
            <div class="wide">\(bars)</div>
            <div class="wide"><table><thead><tr><th>what became of it</th><th class="n">tensors</th><th class="n">bytes before</th>\
            <th class="n">bytes after</th><th class="n">after of before</th></tr></thead><tbody>\(rows.joined(separator: "\n"))</tbody>
            <tfoot><tr><th scope="row">weight files on disk</th><td></td><td class="n">\(FigureText.grouped(fileBytesBefore))</td>\
            <td class="n">\(FigureText.grouped(fileBytesAfter))</td><td class="n">\(FigureText.share(fileBytesAfter, of: fileBytesBefore))</td></tr></tfoot></table></div>
            <p class="caption">Both bars have the same scale. “Before” counts each matrix as the original files store it (often in f32, \
            4 bytes a number), while a budget in bytes is counted against f16 (2 bytes a number). Everything a compressed \
            matrix stores is counted: factors, codes, scales and indices.</p>
            </section>
            """
    }
}
