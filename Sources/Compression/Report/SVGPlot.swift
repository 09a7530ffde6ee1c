/// A line or scatter plot as inline SVG: no scripts, colours from the page's style sheet.
///
/// Draws whatever it is given: no points, one point, equal values, zeros on a log axis (placed at the lower edge,
/// which says so), values that are not finite (left out, and counted in a note). Coordinates are rounded to 0.1,
/// so equal plots give equal bytes. The page must include `styleSheet`.
public struct SVGPlot: Sendable, Equatable {
    public enum Scale: Sendable, Equatable {
        case linear(includesZero: Bool)
        /// Values under `floor`, zeros and negative values are drawn at the lower edge.
        case logarithmic(floor: Double?)
    }

    /// How a linear axis writes its ticks.
    public enum TickText: Sendable, Equatable {
        case number
        /// Decimal units: B, kB, MB.
        case bytes
        /// Decimal multiples: k, M, G.
        case count
        /// 0.5 is "50 %".
        case percent
    }

    public struct Axis: Sendable, Equatable {
        public var title: String
        public var scale: Scale
        public var ticks: TickText

        public init(title: String, scale: Scale = .linear(includesZero: false), ticks: TickText = .number) {
            self.title = title
            self.scale = scale
            self.ticks = ticks
        }

        var isLogarithmic: Bool {
            if case .logarithmic = scale { true } else { false }
        }
    }

    public struct Point: Sendable, Equatable {
        public var x: Double
        public var y: Double
        /// Shown when the pointer rests on the point.
        public var label: String?
        /// Identifier of an element of the page to go to on a click.
        public var target: String?
        /// Drawn as a bar of so much above and below y.
        public var error: Double?

        public init(x: Double, y: Double, label: String? = nil, target: String? = nil, error: Double? = nil) {
            self.x = x
            self.y = y
            self.label = label
            self.target = target
            self.error = error
        }

        /// The ends of the bar, where there is one that can be drawn.
        var bar: (low: Double, high: Double)? {
            guard let error, error > 0, PlotAxis.isDrawable(y - error), PlotAxis.isDrawable(y + error) else { return nil }
            return (y - error, y + error)
        }
    }

    public struct Series: Sendable, Equatable {
        public var name: String
        /// Colour and marker; equal numbers look alike in every plot. Nil is a neutral grey.
        public var style: Int?
        /// Whether a line joins the points in their order.
        public var isConnected: Bool
        public var points: [Point]

        public init(name: String, style: Int?, isConnected: Bool = true, points: [Point]) {
            self.name = name
            self.style = style
            self.isConnected = isConnected
            self.points = points
        }
    }

    /// One sentence for those who cannot see the plot.
    public var description: String
    public var x: Axis
    public var y: Axis
    public var series: [Series]
    /// A point with a ring around it; its label goes to the legend.
    public var highlight: Point?
    /// In units of the drawing; the page scales it.
    public var width = 480
    public var height = 270

    public init(description: String, x: Axis, y: Axis, series: [Series], highlight: Point? = nil) {
        self.description = description
        self.x = x
        self.y = y
        self.series = series
        self.highlight = highlight
    }

    /// Colours of `styleClass`, with a set for dark pages.
    static let lightColours = ["#0a8499", "#1d66c9", "#d0660a", "#16825a", "#b52d7c", "#6d4bc4", "#94700a", "#8a4b2f"]
    static let darkColours = ["#4cc7dc", "#6ea8ff", "#ff9f4d", "#4fc795", "#f07fbd", "#b299ff", "#dcb64a", "#d99a7c"]

    /// The class that gives an element the series' colour as `var(--c)`.
    public static func styleClass(_ style: Int?) -> String {
        style.map { "s\($0.magnitude % UInt(lightColours.count))" } ?? "sn"
    }

    /// Rules for the page's style sheet. Expects `--ink`, `--soft` and `--line` for text, secondary text and rules.
    public static var styleSheet: String {
        func variables(_ colours: [String]) -> String {
            colours.enumerated().map { "--c\($0):\($1)" }.joined(separator: ";")
        }
        let classes = lightColours.indices.map { ".s\($0){--c:var(--c\($0))}" }.joined()
        return """
            :root{\(variables(lightColours));--cn:#9aa1ab}
            @media screen and (prefers-color-scheme:dark){:root{\(variables(darkColours));--cn:#717a87}}
            \(classes).sn{--c:var(--cn)}
            .plot{display:block;width:100%;height:auto;font-size:12px}
            .plot text{fill:var(--soft)}
            .plot .t{fill:var(--ink)}
            .plot .e{text-anchor:end}.plot .m{text-anchor:middle}
            .plot .g{stroke:var(--line);fill:none;stroke-width:.7}
            .plot .a{stroke:var(--soft);fill:none}
            .plot .l{stroke:var(--c);fill:none;stroke-width:1.6;stroke-linejoin:round}
            .plot .p{fill:var(--c)}
            .plot .h{stroke:var(--ink);fill:none;stroke-width:1.8}
            """
    }
}
