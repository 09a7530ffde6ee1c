import StructuredMatrices

extension MatrixComparison.Result {
    /// Error against bytes, and against time at every batch size, as one SVG file; the Pareto front of each is a line.
    package var svg: String {
        let byteAxis = SVGPlot.Axis(
            title: "bytes (dense: \(FigureText.bytes(dense.storedBytes)))", scale: .linear(includesZero: true), ticks: .bytes)
        var plots = [plot("Error against bytes", byteAxis) { Double($0.matrix.cost.storedBytes) }]
        for (index, batch) in comparison.batches.enumerated() {
            let dense = FigureText.significant(denseSeconds[index] * 1e6)
            let axis = SVGPlot.Axis(
                title: "microseconds of a product at batch \(batch) (log; dense: \(dense))", scale: .logarithmic(floor: nil))
            plots.append(
                plot("Error against time at batch \(batch)", axis) {
                    index < $0.times.count ? $0.times[index].seconds * 1e6 : .nan
                })
        }
        return SVGPlot.document(
            plots, title: "\(subject.name), \(subject.shape), fitted under \(comparison.objective.rawValue)")
    }

    private func plot(
        _ description: String, _ x: SVGPlot.Axis, _ place: (MatrixComparison.Fitted) -> Double
    ) -> SVGPlot {
        var points: [(family: String, point: SVGPlot.Point)] = []
        let column = objectives.firstIndex(of: comparison.objective) ?? 0
        for row in rows {
            guard let fitted = row.outcome.fitted else { continue }
            let error = fitted.errors[column]
            let label = "\(row.method.name), \(row.size.text): \(FigureText.scientific(error))"
            points.append((row.method.family.name, .init(x: place(fitted), y: error, label: label)))
        }
        // Families keep their colours whichever of them are compared.
        let styles = Dictionary(uniqueKeysWithValues: Families.names.enumerated().map { ($1, $0) })
        var series: [SVGPlot.Series] = Families.names.compactMap { family in
            let own = points.filter { $0.family == family }.map(\.point)
            return own.isEmpty ? nil : .init(name: family, style: styles[family], isConnected: false, points: own)
        }
        let front = ParetoFront.indices(points.map { ($0.point.x, $0.point.y) }).map { index in
            SVGPlot.Point(x: points[index].point.x, y: points[index].point.y)
        }
        series.insert(.init(name: "Pareto front", style: nil, points: front), at: 0)
        var plot = SVGPlot(
            description: description + ".", x: x,
            y: .init(title: "relative error (log)", scale: .logarithmic(floor: 1e-8)), series: series)
        (plot.width, plot.height) = (960, 480)
        return plot
    }
}
