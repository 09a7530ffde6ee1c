import ModelFiles
import Rewriting
import Tensors
import Transformers

/// Narrows a model before its matrices are compressed one by one, as far as that leaves its outputs closer to the original's on
/// held-out text within the same budget.
///
/// Levels are tried from the mildest, each with its own calibration, candidates and choice, but without the refinements that
/// measure the model a hundred times; the first that is farther off than the one before it ends the search. Where the best level
/// is not clearly closer than the model as it was, both are then compressed in full and the closer one is kept.
struct NarrowingSearch {
    let recipe: RewriteRecipe
    /// Shares of the parameters in blocks, descending, below 1.
    let levels: [Double]
    let journal: Journal
    /// Whether what the journal knows of a level need not be done again: ranks that share the work go together.
    let isAlone: Bool
    /// What compresses the model at a level, 1 for the model as it was; tells where it is.
    let compressor: (_ share: Double, _ stage: String) throws -> Compressor

    /// What was kept, and what it was made with.
    struct Outcome {
        let compressor: Compressor
        var result: Compressor.Result
        let journal: Journal
    }

    /// - Throws: as `Compressor.run`, `ModelRewriter.run`.
    func run() throws -> Outcome {
        var notes: [String] = []
        let whole = try preliminary(1)
        var (best, least) = (1.0, whole)
        for share in levels {
            let found = try preliminary(share)
            notes.append("\(Self.text(share)): output distance \(found.shortened) on held-out text, \(least.shortened) before")
            guard found < least else { break }
            (best, least) = (share, found)
        }
        guard best < 1 else { return try full(1).adding(notes + ["not narrowed"]) }
        var narrowed = try full(best)
        narrowed.result.rewrite = Plan.Rewrite(recipe: recipe.name, share: best)
        guard least > Self.clear * whole else { return narrowed.adding(notes) }
        let unchanged = try full(1)
        let (with, without) = (narrowed.result.distance ?? .infinity, unchanged.result.distance ?? .infinity)
        notes.append("\(Self.text(best)), compressed in full: output distance \(with.shortened), without \(without.shortened)")
        guard with < without else { return unchanged.adding(notes + ["not narrowed"]) }
        return narrowed.adding(notes)
    }

    /// Of the distance without narrowing: what is below it stays below it when both choices are refined.
    private static let clear = 0.95

    private func full(_ share: Double) throws -> Outcome {
        let (compressor, journal) = (try compressor(share, stage(share)), part(share))
        return Outcome(compressor: compressor, result: try compressor.run(journal: journal), journal: journal)
    }

    /// The output distance that a choice without refinements reaches.
    private func preliminary(_ share: Double) throws -> Double {
        let key = "distance at \(Self.text(share))"
        if isAlone, let known = journal[key]?.doubleValue { return known }
        var compressor = try compressor(share, stage(share))
        compressor.refines = false
        let distance = try compressor.run(journal: part(share)).distance ?? .infinity
        if distance.isFinite { try journal.record(key, .number(distance)) }
        return distance
    }

    private func stage(_ share: Double) -> String { share < 1 ? "\(Self.text(share)): " : "" }
    private func part(_ share: Double) -> Journal { share < 1 ? journal.part(Self.text(share)) : journal }

    /// "narrowed to 90 %".
    static func text(_ share: Double) -> String { "narrowed to \(Budget(quantity: .bytes, fraction: share).shareText) %" }
}

extension NarrowingSearch.Outcome {
    fileprivate func adding(_ notes: [String]) -> Self {
        var outcome = self
        outcome.result.notes += notes
        return outcome
    }
}
