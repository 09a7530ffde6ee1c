import LinearAlgebra
import Tensors

/// Codes, their places and whitened atoms.
struct DictionaryState {
    var codes: DoubleMatrix
    var mask: [Bool]
    var atoms: DoubleMatrix
    /// Relative errors so far.
    var trace: [Double]
}

extension DictionaryProblem {
    /// COMPOT: with orthonormal atoms the best codes are the largest products, and the best atoms for given codes are an
    /// orthogonal Procrustes problem. Both steps are exact, so that the error never rises.
    func orthogonal(sweeps: Int, limit: Int) throws -> DictionaryState {
        var atoms = try singularAtoms()
        var best = thresholded(target.multiplied(by: atoms, transposeOther: true))
        var trace = [relativeError(best.codes, atoms)]
        for sweep in 0..<sweeps {
            try context.checkCancellation()
            let svd = try SingularValues(best.codes.multiplied(by: target, transposeSelf: true))
            atoms = svd.u.multiplied(by: svd.vt)
            best = thresholded(target.multiplied(by: atoms, transposeOther: true))
            trace.append(relativeError(best.codes, atoms))
            context.progress(FitProgress(sweep: sweep + 1, limit: limit, relativeError: trace[sweep + 1]))
            if trace[sweep] - trace[sweep + 1] < 1e-4 * trace[sweep] { break }
        }
        return DictionaryState(codes: best.codes, mask: best.mask, atoms: atoms, trace: trace)
    }

    /// Atoms that are rows drawn at random, of norm 1, with the first choice of codes.
    func drawnRows() throws -> DictionaryState {
        var generator = context.generator(for: "dictionary")
        let rows = (0..<target.rows).shuffled(using: &generator)
        var atoms = DoubleMatrix(rows: size.atoms, columns: target.columns)
        for atom in 0..<size.atoms {
            let row = target.row(rows[atom])
            let norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            guard norm > 0 else { continue }
            for (column, value) in row.enumerated() { atoms[atom, column] = value / norm }
        }
        let none = DoubleMatrix(rows: target.rows, columns: size.atoms)
        let (codes, mask) = try recoded(none, mask: [Bool](repeating: false, count: none.count), atoms: atoms)
        return DictionaryState(codes: codes, mask: mask, atoms: atoms, trace: [relativeError(codes, atoms)])
    }

    /// Alternates least squares for all atoms at once with a new choice of atoms for every row. Neither raises the error.
    func pursued(
        _ start: DictionaryState, sweeps: Int, tolerance: Double, limit: Int
    ) throws -> DictionaryState {
        var state = start
        for _ in 0..<sweeps {
            try context.checkCancellation()
            // Atoms and values twice for one choice of places, which is what takes the time.
            for _ in 0..<2 {
                state.atoms = try refittedAtoms(state.codes, for: target)
                state.codes = try refitted(state.codes, mask: state.mask, atoms: state.atoms, iterations: 10)
            }
            replaceIdleAtoms(&state)
            (state.codes, state.mask) = try recoded(state.codes, mask: state.mask, atoms: state.atoms)
            let before = state.trace.last ?? 1
            let error = relativeError(state.codes, state.atoms)
            state.trace.append(error)
            context.progress(FitProgress(sweep: min(limit, state.trace.count), limit: limit, relativeError: error))
            if before - error < tolerance * before { break }
        }
        return state
    }

    /// Atoms that no row uses become the rows with the largest errors.
    private func replaceIdleAtoms(_ state: inout DictionaryState) {
        let idle = (0..<size.atoms).filter { atom in (0..<wide.rows).allSatisfy { state.codes[$0, atom] == 0 } }
        guard !idle.isEmpty else { return }
        let residual = target - state.codes.multiplied(by: state.atoms)
        let norms = (0..<residual.rows).map { residual.row($0).reduce(0) { $0 + $1 * $1 } }
        let worst = norms.indices.sorted { (norms[$0], $1) > (norms[$1], $0) }
        for (atom, row) in zip(idle, worst) where norms[row] > 0 {
            for column in 0..<residual.columns { state.atoms[atom, column] = residual[row, column] / norms[row].squareRoot() }
        }
    }
}
