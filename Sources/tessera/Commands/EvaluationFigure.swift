import Compression
import ModelFiles

/// A measured figure of an evaluation: a line of text, or a member of a JSON object.
struct EvaluationFigure {
    /// In the line.
    let name: String
    /// In JSON.
    let key: String
    let value: Double
    let standardError: Double?
    /// What stands behind it, in words.
    let measuredOn: String

    /// Lines of figure, value, standard error and what was measured, aligned.
    static func text(_ figures: [EvaluationFigure]) -> String {
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

    static func document(_ figures: [EvaluationFigure]) -> JSONValue {
        var object = JSONObject()
        for figure in figures {
            object[figure.key] = [
                "value": JSONValue(figure.value), "standard_error": JSONValue(figure.standardError),
                "measured_on": .string(figure.measuredOn),
            ]
        }
        return .object(object)
    }
}
