import Fitting
import StructuredMatrices

/// What the forms of a low-rank matrix in fewer numbers share.
enum RankGrid {
    /// Ranks at every 64th of the dense size from a sixteenth on, below dense.
    static func ranks(_ shape: MatrixShape, parameters: (_ rank: Int) -> Int) -> [Int] {
        var ranks: [Int] = []
        var rank = 0
        for part in 4...62 {
            while rank < min(shape.rows, shape.columns), parameters(rank + 1) <= shape.count * part / 64 { rank += 1 }
            if rank >= 1, ranks.last != rank { ranks.append(rank) }
        }
        return ranks
    }

    /// One decomposition gives the errors of all ranks, as for low-rank.
    static func assess(
        _ candidates: [Candidate], _ context: CandidateContext, cost: (Candidate) -> Cost
    ) throws -> [AssessedCandidate] {
        let factorisation = try context.lowRankFactorisation()
        let errors = try factorisation.relativeErrors(
            ranks: candidates.map { $0["rank"] }, of: context.weight, under: context.assessment)
        return zip(candidates, errors).map { candidate, error in
            AssessedCandidate(candidate: candidate, cost: cost(candidate), relativeError: error)
        }
    }
}
