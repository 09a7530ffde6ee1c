import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Errors of table rows that a text does not look up, as far as they would change the output on other text.
///
/// A choice is measured on some thousand tokens. A table that is fine in the rows these look up and coarse in all others
/// would seem to cost nothing: a search that believed it made MiniLM's table 15 % smaller at a quarter of the bytes, and
/// overlap@10 on other sentences fell from 0.909 to 0.899 while the distance on held-out sentences fell too. What is measured
/// shows the table's error weighted by what the text looks up; the table's expected error is weighted by what is expected of
/// any text (`TableUsage`). Half of the difference, times the table's sensitivity, is added.
package enum UnseenRows {
    /// Of the difference. What is expected of rare rows is on the safe side, as an estimate of single frequencies should be; all
    /// of it made MiniLM's table at a quarter of the bytes 23 % larger than was best (overlap@10 0.902).
    static let believed = 0.5

    /// Whether a matrix is a table that is only looked up: one that is the head too is measured in all rows by every token.
    package static func concern(_ site: MatrixSite) -> Bool { site.role == .embedding && !site.isMultiplied }

    /// The part of the expected error that a text does not show; 0 where it shows more.
    /// - Parameters:
    ///   - fit: with the relative error that is expected.
    ///   - seen: what the text looks up.
    /// - Throws: `FittingError`.
    package static func error(of fit: AnyFit, for weight: Matrix, at site: MatrixSite, seen: TableUsage) throws -> Double {
        let shown = try seen.objective(of: site, weight: weight, gram: nil).error(of: fit.matrix, for: weight, name: site.name)
        return max(0, fit.relativeError - shown)
    }
}

extension AllocationProblem {
    /// What a text leaves out of the harm of a choice.
    /// - Parameter text: the name that the journal knows the distance's text by.
    func unseen(_ choices: [Int], in text: String, by distance: OutputDistance) throws -> Double {
        try sites.indices.reduce(0) { try $0 + unseen($1, choices, in: text, by: distance) }
    }

    /// The same of one matrix.
    func unseen(_ index: Int, _ choices: [Int], in text: String, by distance: OutputDistance) throws -> Double {
        let (site, candidate) = (sites[index], candidates[index][choices[index]].candidate)
        guard UnseenRows.concern(site), table.recipe.objective == .activations else { return 0 }
        let error = try remembered("unseen in \(text)/\(candidate.label)", site) {
            let seen = TableUsage(
                sequences: distance.sequences, vocabulary: model.vocabularySize, positions: model.maximumPositions,
                isExpected: false)
            return try UnseenRows.error(
                of: table.fit(site, candidate), for: model[site: site.name].dense(), at: site, seen: seen)
        }
        return UnseenRows.believed * max(0, sensitivities[index]) * error
    }
}
