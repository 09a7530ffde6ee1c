extension CompressionReport {
    /// Errors below this are drawn at the edge: nobody trades them for bytes, and showing them (f16 alone errs by
    /// about 1e-8) would squeeze the errors that matter.
    private static let errorFloor = 1e-6

    /// Every matrix in the model's order: its error above, its size below.
    func overviewSection(_ unit: SizeUnit) -> String {
        let styles = familyStyles
        var groups: [(name: String, style: Int?, rows: [(number: Int, row: MatrixRow)])] = []
        for (index, row) in matrices.enumerated() {
            let name = row.tookPart ? row.family ?? "unnamed family" : "left"
            let place = groups.firstIndex { $0.name == name } ?? groups.endIndex
            if place == groups.endIndex { groups.append((name, row.tookPart ? styles[name] : nil, [])) }
            groups[place].rows.append((index + 1, row))
        }
        groups.sort { ($0.style ?? .max, $0.name) < ($1.style ?? .max, $1.name) }
        func series(_ value: (MatrixRow) -> Double) -> [SVGPlot.Series] {
            groups.map { group in
                SVGPlot.Series(
                    name: group.name, style: group.style, isConnected: false,
                    points: group.rows.map { number, row in
                        SVGPlot.Point(x: Double(number), y: value(row), label: "\(number) \(row.name)", target: "m\(number)")
                    })
            }
        }
        let number = SVGPlot.Axis(title: "number of the matrix, as in the table below")
        var errors = SVGPlot(
            description: "Relative error of every matrix.", x: number,
            y: .init(title: "relative error (log)", scale: .logarithmic(floor: Self.errorFloor)), series: series(\.relativeError))
        let isBytes = unit == .bytes
        var sizes = SVGPlot(
            description: "Size chosen for every matrix.", x: number,
            y: .init(
                title: isBytes ? "bytes of f16" : "multiply-adds of dense", scale: .linear(includesZero: true), ticks: .percent),
            series: series { isBytes ? $0.shareOfBytes : $0.shareOfMultiplyAdds })
        // The plots stand under each other; one legend is enough.
        for index in sizes.series.indices { sizes.series[index].name = "" }
        (errors.width, errors.height, sizes.width, sizes.height) = (800, 250, 800, 210)
        return """
            <section><h2>Every matrix at a glance</h2>
            <div class="wide overview">\(errors.svg)\(sizes.svg)</div>
            <p class="caption"><b>Above:</b> the relative error under the objective: the squared difference between what the original \
            matrix computes on typical inputs and what its replacement computes, divided by the squared size of the original’s \
            output. 1e-2 means that one per cent of the signal’s energy is lost. (With a plain Frobenius objective every input \
            counts the same.) <b>Below:</b> what is kept of each matrix. The budget is shared: a matrix that matters more or is \
            harder to approximate is given more. Matrices are in the model’s order, so patterns along the depth show.</p>
            </section>
            """
    }

    /// A family's errors over sizes, for all families, with the chosen one marked; nil when nothing was assessed.
    func errorPlot(_ row: MatrixRow, styles: [String: Int], unit: SizeUnit) -> String? {
        guard row.curves.contains(where: { !$0.points.isEmpty }) else { return nil }
        let isBytes = unit == .bytes
        let series = row.curves.map { family, points in
            SVGPlot.Series(
                name: family, style: styles[family],
                points: points.map { .init(x: Double(isBytes ? $0.storedBytes : $0.multiplyAdds), y: $0.relativeError) })
        }
        var chosen: SVGPlot.Point?
        if row.tookPart {
            chosen = .init(
                x: Double(isBytes ? row.cost.storedBytes : row.cost.multiplyAdds), y: row.relativeError,
                label: "chosen: \(row.outcome)")
        }
        return SVGPlot(
            description: "Error against size.",
            x: .init(
                title: isBytes ? "size in bytes" : "multiply-adds for one input row", scale: .linear(includesZero: true),
                ticks: isBytes ? .bytes : .count),
            y: .init(title: "relative error (log)", scale: .logarithmic(floor: Self.errorFloor)), series: series,
            highlight: chosen
        ).svg
    }

    /// Singular values relative to the largest; nil when there are none.
    func spectrumPlot(_ row: MatrixRow) -> String? {
        guard !row.spectrum.isEmpty else { return nil }
        let whole = min(row.shape.rows, row.shape.columns)
        // The values are evenly spaced between the first and the last.
        let stride = row.spectrum.count > 1 ? Double(max(whole, row.spectrum.count) - 1) / Double(row.spectrum.count - 1) : 1
        let points = row.spectrum.enumerated().map { SVGPlot.Point(x: 1 + Double($0) * stride, y: $1) }
        return SVGPlot(
            description: "Spectrum.", x: .init(title: "number of the singular value, of \(whole)", scale: .linear(includesZero: true)),
            y: .init(title: "size, of the largest (log)", scale: .logarithmic(floor: 1e-8)),
            series: [.init(name: "singular values", style: 1, points: points)]
        ).svg
    }
}
