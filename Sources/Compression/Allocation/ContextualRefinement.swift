import Fitting
import Transformers

/// Sensitivities measured where they are used: with all other matrices compressed as they are in the best allocation so far,
/// each matrix in turn is put back as it was, and what the output gains is that matrix's damage at the size it was given.
/// The damages of its candidates are scaled to that, the knapsack is solved again, and the answer kept if the model is
/// closer. A second round gained nothing on MiniLM.
///
/// Errors of layers add up in ways that probes of single matrices cannot see, and the probe's error is not the one allocated;
/// both are seen here. Cost: matrices + 1 measurements for each round.
package struct ContextualRefinement: AllocationRefinement {
    let name = "in-context"
    let summary = "damages measured by undoing one matrix of the best allocation at a time"
    let source = "the re-estimation that ZipLM's search stands in for, arXiv 2302.04089"
    let isDefault = true

    static let rounds = 1
    /// What is believed of a quotient of a measured and an estimated damage, both as shares of their sums: the square root,
    /// between 1/2 and 2. Single measurements hold noise, and a matrix whose error happened to undo another's is not
    /// worthless. On MiniLM at 3 bits for a weight, taken as measured the quotients left the held-out distance as it was;
    /// so they lowered it by a tenth.
    package static let bound = 2.0

    func improve(
        _ start: AllocationAnswer, _ problem: AllocationProblem, progress: (_ done: Int, _ total: Int) -> Void
    ) throws -> [AllocationAnswer] {
        var best = start
        var found: [AllocationAnswer] = []
        var distance = try problem.measure(start.choices)
        let total = Self.rounds * (problem.sites.count + 1)
        for round in 0..<Self.rounds {
            let compressed = try problem.stitched(best.choices)
            var sampled = SingleChanges(of: compressed, by: problem.sampled, context: problem.context)
            let label = problem.fingerprint(best.choices)
            let unseen = try problem.unseen(best.choices, in: "sample", by: problem.sampled)
            let gains = try problem.sites.enumerated().map { index, site in
                let gain = try problem.remembered("gain in \(label)", site) {
                    // What the sample does not show of a table goes with the table, and stays with all others.
                    let own = try problem.unseen(index, best.choices, in: "sample", by: problem.sampled)
                    return distance - unseen + own - (try sampled(site, problem.model[site: site.name]))
                }
                progress(round * (problem.sites.count + 1) + index + 1, total)
                return gain
            }
            let coefficients = Self.coefficients(gains, zip(best.damages, best.choices).map { $0[$1] })
            let damages = zip(best.damages, coefficients).map { row, coefficient in row.map { coefficient * $0 } }
            let answer = try problem.solve(damages)
            let measured = try problem.measure(answer.choices)
            progress((round + 1) * (problem.sites.count + 1), total)
            guard measured < distance else { break }
            (best, distance) = (answer, measured)
            found.append(answer)
        }
        return found
    }

    /// What estimated damages are to be multiplied by, from damages measured: the quotient of the sums, times what is
    /// believed of each matrix's own.
    package static func coefficients(_ measured: [Double], _ estimated: [Double]) -> [Double] {
        let (sum, estimate) = (measured.reduce(0, +), estimated.reduce(0, +))
        guard sum > 0, estimate > 0 else { return measured.map { _ in 1 } }
        let mean = sum / estimate
        return zip(measured, estimated).map { found, expected in
            guard expected > 0 else { return mean }
            return mean * min(max(max(0, found / expected / mean).squareRoot(), 1 / bound), bound)
        }
    }
}
