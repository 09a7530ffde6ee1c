import Compression

extension QualityFigure {
    /// Lines of figure, value, standard error and what was measured, aligned.
    static func text(_ figures: [QualityFigure]) -> String {
        var table = TextTable([.left, .right, .left, .left])
        for figure in figures {
            // None, or next to none, comes from a single sample or from models that agree everywhere.
            let error = figure.standardError.flatMap { $0.isFinite && $0 >= 5e-7 ? $0 : nil }
            let decimals = FigureText.measuredDecimals(figure.value, standardError: error)
            table.append([
                figure.name, shown(figure.value, decimals: decimals),
                error.map { "± " + FigureText.fixed($0, decimals: decimals) } ?? "", figure.measuredOn,
            ])
        }
        return table.text
    }

    /// What rounds to zero without being it keeps its first digits.
    private static func shown(_ value: Double, decimals: Int) -> String {
        let tiny = value != 0 && value.magnitude < 5e-7
        return tiny ? FigureText.scientific(value) : FigureText.fixed(value, decimals: decimals)
    }
}
