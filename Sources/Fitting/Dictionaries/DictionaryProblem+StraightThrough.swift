import LinearAlgebra
import Tensors

/// The straight-through factorizer of DSFormer on the error of the layer: places come from a latent weight that moves
/// against the error of the codes, so that what was served badly is asked for more loudly the next time.
extension DictionaryProblem {
    /// How far the latent weight moves along the error: its gradient, passed straight through the choice of places.
    private static let step = 0.3

    /// Every round codes the latent weight, refits atoms and values to the weight itself, and moves the latent weight by
    /// the error. Rounds may lose; the best is kept.
    func straightThrough(_ start: DictionaryState, rounds: Int, limit: Int) throws -> DictionaryState {
        var (state, best) = (start, start)
        var bestError = start.trace.last ?? .infinity
        var latent = target
        for _ in 0..<rounds {
            try context.checkCancellation()
            var error = target - state.codes.multiplied(by: state.atoms)
            error.scale(by: Self.step)
            latent = latent + error
            state.mask = try places(for: latent, atoms: state.atoms)
            for index in state.mask.indices where !state.mask[index] { state.codes.elements[index] = 0 }
            for _ in 0..<2 {
                state.codes = try refitted(state.codes, mask: state.mask, atoms: state.atoms, iterations: 10)
                state.atoms = try refittedAtoms(state.codes, for: target)
            }
            let reached = relativeError(state.codes, state.atoms)
            if reached < bestError { (best, bestError) = (state, reached) }
            best.trace.append(bestError)
            context.progress(FitProgress(sweep: min(limit, best.trace.count), limit: limit, relativeError: bestError))
        }
        return best
    }
}
