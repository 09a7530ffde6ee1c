import Compression
import Testing

@Suite struct ReportPlotTests {
    static func plot(_ points: [(Double, Double)], floor: Double? = nil, highlight: (Double, Double)? = nil) -> SVGPlot {
        SVGPlot(
            description: "A plot.", x: .init(title: "size", scale: .linear(includesZero: true), ticks: .bytes),
            y: .init(title: "error", scale: .logarithmic(floor: floor)),
            series: [.init(name: "one", style: 1, points: points.map { .init(x: $0.0, y: $0.1) })],
            highlight: highlight.map { .init(x: $0.0, y: $0.1, label: "chosen") })
    }

    static let degenerate: [[(Double, Double)]] = [
        [], [(5, 0.1)], [(0, 0)], [(0, 0), (1, 0)], [(3, 0.2), (3, 0.2)], [(1, -1), (2, 0)], [(1, .nan), (2, 0.5)],
        [(.infinity, 1), (-.infinity, 1)], [(1, 1e-300), (1e300, 1)], [(1, 1e149), (2, 1e-149)], [(1e15, 1), (1e15 + 1, 1)],
        [(1, .leastNonzeroMagnitude)], [(-5, 1e-3), (5, 1e3)], [(.greatestFiniteMagnitude, .greatestFiniteMagnitude)],
        [(1e149, 0.1), (-1e149, 0.1)], [(1e-200, 1), (2e-200, 1)],
    ]

    @Test(arguments: degenerate.indices, [nil, 0, -1, 1e-6, 1e200, .nan] as [Double?])
    func anythingCanBeDrawn(_ index: Int, _ floor: Double?) {
        for highlight in [nil, (1.0, 0.0), (.nan, 1)] {
            let plot = Self.plot(Self.degenerate[index], floor: floor, highlight: highlight)
            for axes in [(plot.x, plot.y), (plot.y, plot.x)] {
                var plot = plot
                (plot.x, plot.y) = axes
                let svg = plot.svg
                #expect(PageReader(svg).isWellFormed)
                let drawn = svg.replacing("not finite", with: "").lowercased()
                #expect(!drawn.contains("nan") && !drawn.contains("inf"))
            }
        }
    }

    @Test func errorsAreBarsWithinTheFrame() {
        var plot = Self.plot([(1, 0.5), (2, 0.25)])
        let without = plot.svg
        plot.series[0].points[0].error = 0.1
        plot.series[0].points[1].error = 0
        #expect(plot.svg.count > without.count && PageReader(plot.svg).isWellFormed)
        // One bar, up and down from its point; an error of 0 and one that cannot be drawn have none.
        #expect(plot.svg.matches(of: /M[0-9.]+ [0-9.]+V[0-9.]+"/).count == 1)
        plot.series[0].points[1].error = .nan
        #expect(plot.svg.matches(of: /M[0-9.]+ [0-9.]+V[0-9.]+"/).count == 1)
        // A bar that a log axis cannot show whole ends at its edge.
        plot.series[0].points[0].error = 2
        #expect(PageReader(plot.svg).isWellFormed && !plot.svg.contains("at the edge"))
        // The axis makes room for what is above.
        plot.y = .init(title: "score")
        plot.series[0].points[0].error = 3
        #expect(plot.svg.contains(">4</text>") || plot.svg.contains(">4.0</text>"))
    }

    @Test func nothingIsSaidToBeNothing() {
        #expect(Self.plot([]).svg.contains("nothing to draw"))
        #expect(Self.plot([(1, .nan)]).svg.contains("1 point is not finite and not drawn."))
        #expect(!Self.plot([(1, 1)]).svg.contains("nothing to draw"))
    }

    @Test func whatALogAxisCannotShowIsSaid() {
        #expect(Self.plot([(1, 0), (2, 0.1)]).svg.contains("values of 0 are drawn at the edge"))
        #expect(Self.plot([(1, 1e-9), (2, 0.1)], floor: 1e-6).svg.contains("values ≤ 1e-6 are drawn at the edge"))
        #expect(Self.plot([(1, -2), (2, 0.1)]).svg.contains("values ≤ 0 are drawn at the edge"))
        #expect(!Self.plot([(1, 1e-9), (2, 0.1)]).svg.contains("at the edge"))
    }

    @Test func ticksAreRoundAndBoundsHoldTheData() {
        let linear = PlotAxis(.init(title: "", scale: .linear(includesZero: true), ticks: .bytes), values: [123_000, 294_912], count: 5)
        #expect(linear.ticks.map(\.label) == ["0 B", "100 kB", "200 kB", "300 kB"])
        #expect(linear.fraction(of: 150_000) == 0.5)
        let narrow = PlotAxis(.init(title: "", scale: .linear(includesZero: false)), values: [0.98, 0.995], count: 4)
        #expect(narrow.lower <= 0.98 && narrow.upper >= 0.995 && narrow.ticks.count >= 3)
        let decades = PlotAxis(.init(title: "", scale: .logarithmic(floor: nil)), values: [1.5e-4, 0.09], count: 5)
        #expect(decades.ticks.map(\.label) == ["1e-4", "1e-3", "0.01", "0.1"])
        #expect(abs(decades.fraction(of: 0.1) - 1) < 1e-12)
        let few = PlotAxis(.init(title: "", scale: .logarithmic(floor: nil)), values: [0.03, 0.3], count: 5)
        #expect(few.ticks.map(\.label) == ["0.02", "0.05", "0.1", "0.2", "0.5"])
    }

    @Test func theChosenPointIsRingedWhereItLies() {
        let svg = Self.plot([(0, 0.001), (100, 0.1)], highlight: (100, 0.1)).svg
        // The frame's upper right corner: 480 - 26 wide, one legend row down.
        #expect(svg.contains("<circle class=\"h\" cx=\"454\" cy=\"28\" r=\"6.5\"/>"))
        #expect(svg.contains(">chosen</text>"))
        #expect(svg.contains("L454 28"))
    }

    @Test func stylesWrapAround() {
        #expect(SVGPlot.styleClass(0) == SVGPlot.styleClass(8))
        #expect(SVGPlot.styleClass(.min).hasPrefix("s"))
        #expect(SVGPlot.styleClass(nil) == "sn")
    }
}
