import Foundation

/// An axis fitted to its values: bounds, ticks and where a value lies.
package struct PlotAxis: Sendable, Equatable {
    package struct Tick: Sendable, Equatable {
        package let value: Double
        package let label: String
    }

    package let lower: Double
    package let upper: Double
    package let ticks: [Tick]
    /// Says what was drawn at the lower edge because a log axis has no place for it; nil when nothing was.
    package let note: String?
    private let isLogarithmic: Bool

    /// Values beyond these magnitudes are not drawn (their products would not be finite).
    static let largest = 1e150
    static let smallest = 1e-150

    static func isDrawable(_ value: Double) -> Bool { value.isFinite && abs(value) <= largest }

    /// Bounds and ticks for `values`, all drawable. About `count` ticks.
    package init(_ axis: SVGPlot.Axis, values: [Double], count: Int) {
        switch axis.scale {
        case .linear(let includesZero):
            self.init(linear: includesZero ? values + [0] : values, text: axis.ticks, count: count)
        case .logarithmic(let floor):
            self.init(logarithmic: values, floor: floor, count: count)
        }
    }

    /// 0 at the lower bound, 1 at the upper; outside values are moved to the nearer bound.
    package func fraction(of value: Double) -> Double {
        let fraction =
            isLogarithmic
            ? (log10(max(value, lower)) - log10(lower)) / (log10(upper) - log10(lower))
            : (value - lower) / (upper - lower)
        return min(1, max(0, fraction))
    }

    private init(linear values: [Double], text: SVGPlot.TickText, count: Int) {
        var low = values.min() ?? 0
        var high = values.max() ?? 1
        // Equal values (or equal to the last digits) get room on both sides.
        if high - low <= 1e-9 * max(abs(low), abs(high)) {
            let margin = high == 0 ? 1 : abs(high) / 2
            (low, high) = low == 0 ? (0, margin) : (low - margin, high + margin)
        }
        let step = Self.niceStep((high - low) / Double(max(1, count)))
        // With the bounds on ticks a point on the edge of the data keeps its distance from the frame.
        low = (low / step).rounded(.down) * step
        high = (high / step).rounded(.up) * step
        let steps = min(50, Int(((high - low) / step).rounded()))
        ticks = (0...max(1, steps)).map { index in
            let value = low + Double(index) * step
            return Tick(value: value, label: Self.label(value, step: step, text: text))
        }
        (lower, upper, note, isLogarithmic) = (low, high, nil, false)
    }

    private init(logarithmic values: [Double], floor: Double?, count: Int) {
        let floor = floor.flatMap { $0 > Self.smallest && $0 < Self.largest ? $0 : nil }
        let threshold = floor ?? Self.smallest
        let shown = values.filter { $0 >= threshold }
        let below = values.filter { $0 < threshold }
        let smallest = shown.min() ?? threshold
        let largest = max(shown.max() ?? 1, smallest)
        var low = Self.roundedTo125(smallest, up: false)
        var high = Self.roundedTo125(largest, up: true)
        if shown.isEmpty { (low, high) = floor.map { ($0, $0 * 1000) } ?? (0.001, 1) }
        if !below.isEmpty, !shown.isEmpty {
            // A decade of its own, so that what lies at the edge is not taken for a small value.
            low = max(pow(10, log10(low).rounded(.down) - 1), threshold)
        }
        if high <= low * 1.0001 { (low, high) = (low / 10, high * 10) }
        (lower, upper, isLogarithmic) = (low, high, true)

        var bottom: String?
        if below.contains(where: { $0 > 0 }), let floor {
            bottom = "≤ " + Self.plain(floor)
        } else if below.contains(where: { $0 < 0 }) {
            bottom = "≤ 0"
        } else if !below.isEmpty {
            bottom = "0"
        }
        note = bottom.map { "Log axis: values \($0 == "0" ? "of 0" : $0) are drawn at the edge." }

        var ticks = Self.logarithmicTicks(low: low, high: high, count: count)
        if let bottom {
            ticks.removeAll { $0.value <= low * 1.001 }
            ticks.insert(Tick(value: low, label: bottom), at: 0)
        }
        self.ticks = ticks
    }

    /// Decades, thinned out when there are many; 1, 2 and 5 of each when there are few.
    private static func logarithmicTicks(low: Double, high: Double, count: Int) -> [Tick] {
        let first = Int((log10(low) - 1e-9).rounded(.down))
        let last = Int((log10(high) + 1e-9).rounded(.up))
        let decades = log10(high) - log10(low)
        let stride = max(1, Int((decades / Double(max(1, count))).rounded(.up)))
        let multiples: [Double] = decades < 2.5 ? [1, 2, 5] : [1]
        var ticks: [Tick] = []
        for exponent in first...last where exponent.isMultiple(of: stride) {
            for multiple in multiples {
                let value = multiple * pow(10, Double(exponent))
                if value >= low * 0.999, value <= high * 1.001 { ticks.append(Tick(value: value, label: plain(value))) }
            }
        }
        return ticks
    }

    /// The nearest 1, 2 or 5 times a power of ten, not above (or not below) `value`.
    private static func roundedTo125(_ value: Double, up: Bool) -> Double {
        let decade = pow(10, log10(value).rounded(.down))
        let steps = [1.0, 2, 5, 10].map { $0 * decade }
        return up
            ? steps.first { $0 >= value * 0.9999 } ?? 10 * decade
            : steps.last { $0 <= value * 1.0001 } ?? decade
    }

    private static func niceStep(_ rough: Double) -> Double { roundedTo125(max(rough, smallest), up: true) }

    private static func label(_ value: Double, step: Double, text: SVGPlot.TickText) -> String {
        switch text {
        case .bytes where abs(value) < 9e18: FigureText.bytes(Int(value.rounded()))
        case .count where abs(value) < 9e18: FigureText.count(Int(value.rounded()))
        case .percent: FigureText.fixed(100 * value, decimals: step < 0.01 ? 1 : 0) + " %"
        default: number(value, step: step)
        }
    }

    private static func number(_ value: Double, step: Double) -> String {
        if abs(value) >= 1e6 || step < 1e-4 { return FigureText.scientific(value) }
        return FigureText.fixed(value, decimals: min(6, max(0, -Int(log10(step).rounded(.down)))))
    }

    /// "0.01", "1", "100", else "1e-3".
    static func plain(_ value: Double) -> String {
        if value < 0.0099 || value > 999 { return FigureText.scientific(value, decimals: 0) }
        let text = FigureText.fixed(value, decimals: value < 0.099 ? 2 : value < 0.99 ? 1 : 0)
        return text
    }
}
