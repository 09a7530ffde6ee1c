import LinearAlgebra
import Tensors

/// K-SVD: atoms one after another, each with the codes of the rows that use it, and a way out of the minima where one atom
/// stands for two.
extension DictionaryProblem {
    /// Rows that use at most so many atoms have their choice bettered by exchanges, and idle or mixed atoms replaced by
    /// what such rows vote for; with more, a greedy choice of many is as good, and no row tells its atoms apart.
    private static let fewAtoms = 8

    private var usesFewAtoms: Bool { (size.entries + wide.rows - 1) / wide.rows <= Self.fewAtoms }

    /// Sweeps of K-SVD until the error settles; then, where rows use few atoms, replacements of atoms that serve their rows
    /// worst, each kept if a few sweeps from it lower the error.
    func pursuedAtomByAtom(
        _ start: DictionaryState, sweeps: Int, tolerance: Double, limit: Int
    ) throws -> DictionaryState {
        var left = sweeps
        var state = try settled(start, sweeps: &left, most: sweeps, tolerance: tolerance, limit: limit)
        guard usesFewAtoms else { return state }
        var isBettered = true
        while isBettered, left > 0, (state.trace.last ?? 0) > 1e-12 {
            isBettered = false
            for atoms in suspects(state) where left > 0 {
                guard var candidate = try replacing(atoms, in: state) else { continue }
                candidate = try settled(
                    candidate, sweeps: &left, most: Self.trialSweeps, tolerance: Self.trialTolerance, limit: limit)
                guard let error = candidate.trace.last, let before = state.trace.last, error < 0.99 * before else { continue }
                candidate.trace = state.trace + [error]
                state = candidate
                isBettered = true
                break
            }
        }
        return try settled(state, sweeps: &left, most: left, tolerance: tolerance, limit: limit)
    }

    /// Sweeps of a trial, and what a sweep must lower the error by for the trial to go on.
    private static let (trialSweeps, trialTolerance) = (8, 0.02)

    private func settled(
        _ start: DictionaryState, sweeps left: inout Int, most: Int, tolerance: Double, limit: Int
    ) throws -> DictionaryState {
        var state = start
        var before = Double.infinity
        for _ in 0..<min(left, most) {
            try context.checkCancellation()
            left -= 1
            refitAtomByAtom(&state)
            (state.codes, state.mask) = try recoded(state.codes, mask: state.mask, atoms: state.atoms)
            if usesFewAtoms { try exchange(&state) }
            let error = relativeError(state.codes, state.atoms)
            state.trace.append(error)
            context.progress(FitProgress(sweep: min(limit, state.trace.count), limit: limit, relativeError: error))
            if error < 1e-12 || before - error < tolerance * before { break }
            before = error
        }
        return state
    }

    /// Every atom and its codes become the best pair for what all others leave of the rows that use it, by power iterations
    /// from the atom itself: no step raises the error. About 10 multiply-adds for every code and column.
    private func refitAtomByAtom(_ state: inout DictionaryState) {
        let (atomCount, columns) = (size.atoms, target.columns)
        var residual = target - state.codes.multiplied(by: state.atoms)
        var image = [Double](repeating: 0, count: columns)
        for atom in 0..<atomCount {
            let users = (0..<state.codes.rows).filter { state.codes[$0, atom] != 0 }
            guard !users.isEmpty else { continue }
            var direction = Array(state.atoms.row(atom))
            var codes = users.map { state.codes[$0, atom] }
            residual.elements.withUnsafeMutableBufferPointer { residual in
                for (place, row) in users.enumerated() {
                    for column in 0..<columns { residual[row * columns + column] += codes[place] * direction[column] }
                }
                for _ in 0..<Self.powerIterations {
                    for column in 0..<columns { image[column] = 0 }
                    for (place, row) in users.enumerated() {
                        for column in 0..<columns { image[column] += codes[place] * residual[row * columns + column] }
                    }
                    let norm = image.reduce(0) { $0 + $1 * $1 }.squareRoot()
                    guard norm > 0 else { break }
                    for column in 0..<columns { direction[column] = image[column] / norm }
                    for (place, row) in users.enumerated() {
                        var code = 0.0
                        for column in 0..<columns { code += direction[column] * residual[row * columns + column] }
                        codes[place] = code
                    }
                }
                for (place, row) in users.enumerated() {
                    for column in 0..<columns { residual[row * columns + column] -= codes[place] * direction[column] }
                }
            }
            for column in 0..<columns { state.atoms[atom, column] = direction[column] }
            for (place, row) in users.enumerated() { state.codes[row, atom] = codes[place] }
        }
    }

    private static let powerIterations = 5

    /// Exchanges single atoms of a row for better ones, where the greedy choice left an error.
    private func exchange(_ state: inout DictionaryState) throws {
        guard pattern == .rows else { return }
        let gram = state.atoms.multiplied(by: state.atoms, transposeOther: true)
        let products = target.multiplied(by: state.atoms, transposeOther: true)
        let residual = target - state.codes.multiplied(by: state.atoms)
        for row in 0..<target.rows {
            let norm = target.row(row).reduce(0) { $0 + $1 * $1 }
            guard residual.row(row).reduce(0, { $0 + $1 * $1 }) > 1e-6 * norm else { continue }
            let chosen = (0..<size.atoms).filter { state.mask[row * size.atoms + $0] }
            let exchanged = AtomExchange(gram: gram, products: Array(products.row(row))).bettered(chosen)
            guard exchanged != chosen else { continue }
            for atom in 0..<size.atoms { state.mask[row * size.atoms + atom] = false }
            for atom in exchanged { state.mask[row * size.atoms + atom] = true }
        }
        for index in state.mask.indices where !state.mask[index] { state.codes.elements[index] = 0 }
        state.codes = try refitted(state.codes, mask: state.mask, atoms: state.atoms)
    }

    /// Atoms to try without, worst first: the least used, those whose rows are served worst, and pairs of these, because two
    /// atoms that go together often end as one that mixes them and one that nobody needs.
    private func suspects(_ state: DictionaryState) -> [[Int]] {
        let residual = target - state.codes.multiplied(by: state.atoms)
        let errors = (0..<residual.rows).map { residual.row($0).reduce(0) { $0 + $1 * $1 } }
        let atoms = 0..<size.atoms
        let energies = atoms.map { atom in (0..<residual.rows).reduce(0) { $0 + state.codes[$1, atom] * state.codes[$1, atom] } }
        let means = atoms.map { atom in
            let users = errors.indices.filter { state.codes[$0, atom] != 0 }
            return users.reduce(0) { $0 + errors[$1] } / Double(max(1, users.count))
        }
        let idle = atoms.sorted { (energies[$0], $0) < (energies[$1], $1) }.prefix(2)
        let worst = atoms.sorted { (means[$1], $0) < (means[$0], $1) }.prefix(3)
        let pairs = worst.flatMap { first in idle.filter { $0 != first }.map { [first, $0] } }
        return [Array(idle.prefix(1))] + worst.map { [$0] } + pairs + (worst.count > 1 ? [Array(worst.prefix(2))] : [])
    }

    /// Rows that vote, and the cosine from which two are taken to mean the same atom.
    private static let (voters, agreement) = (1024, 0.97)

    /// The state with some atoms replaced. Coded by the other atoms with one atom less, a row that uses just one atom which
    /// is missing leaves that atom; many rows that leave the same direction have found it. Nil where nothing is left.
    private func replacing(_ replaced: [Int], in state: DictionaryState) throws -> DictionaryState? {
        let kept = (0..<size.atoms).filter { !replaced.contains($0) }
        let atoms = DoubleMatrix(rows: kept.count, columns: target.columns) { state.atoms[kept[$0], $1] }
        let (gram, products) = (
            atoms.multiplied(by: atoms, transposeOther: true), target.multiplied(by: atoms, transposeOther: true)
        )
        let (size, rows) = (size, target.rows)
        let mask = try AtomSelection(gram: gram).places(
            products, count: { max(0, size.count(row: $0, rows: rows) - 1) }, group: nil, context: context)
        let codes = try MaskedQuadratic(h: gram, iterations: 25).minimise(
            from: DoubleMatrix(rows: rows, columns: kept.count), target: products, mask: mask, context: context)
        let residual = target - codes.multiplied(by: atoms)
        let norms = (0..<rows).map { residual.row($0).reduce(0) { $0 + $1 * $1 } }
        let voters = norms.indices.filter { norms[$0] > 1e-4 * target.row($0).reduce(0) { $0 + $1 * $1 } }
            .sorted { (norms[$1], $0) < (norms[$0], $1) }.prefix(Self.voters)
        guard voters.count >= replaced.count else { return nil }
        let directions = DoubleMatrix(rows: voters.count, columns: target.columns) {
            residual[voters[$0], $1] / norms[voters[$0]].squareRoot()
        }
        let cosines = directions.multiplied(by: directions, transposeOther: true)
        var weights = voters.map { norms[$0] }
        var next = state
        for atom in replaced {
            let votes = weights.indices.map { candidate in
                weights.indices.reduce(0) { $0 + (abs(cosines[candidate, $1]) > Self.agreement ? weights[$1] : 0) }
            }
            guard let elected = votes.indices.max(by: { (votes[$0], $1) < (votes[$1], $0) }), votes[elected] > 0 else { return nil }
            for column in 0..<target.columns { next.atoms[atom, column] = directions[elected, column] }
            for row in 0..<rows {
                next.codes[row, atom] = 0
                next.mask[row * size.atoms + atom] = false
            }
            for index in weights.indices where abs(cosines[elected, index]) > 0.9 { weights[index] = 0 }
        }
        // Rows that lost an atom are coded anew before atoms are refitted to them.
        (next.codes, next.mask) = try recoded(next.codes, mask: next.mask, atoms: next.atoms)
        return next
    }
}

/// Betters one row's choice of few atoms by exchanges of one for another, each to the best there is.
private struct AtomExchange {
    let gram: DoubleMatrix
    /// The row's inner products with the atoms.
    let products: [Double]

    func bettered(_ start: [Int]) -> [Int] {
        var chosen = start
        for _ in 0..<2 {
            var isChanged = false
            for atom in chosen {
                let rest = chosen.filter { $0 != atom }
                guard let best = addition(to: rest), best != atom else { continue }
                chosen = rest + [best]
                isChanged = true
            }
            if !isChanged { break }
        }
        return chosen.sorted()
    }

    /// The atom that lowers the error most beside the given ones, all refitted.
    private func addition(to rest: [Int]) -> Int? {
        // Rows of the factor's inverse times the products and norms of every atom, one chosen atom after another.
        var norms = (0..<products.count).map { gram[$0, $0] }
        var left = products
        var factors: [[Double]] = []
        for atom in rest {
            let norm = norms[atom]
            guard norm > 1e-9 * gram[atom, atom] else { continue }
            let factor = (0..<products.count).map { other in
                (gram[atom, other] - factors.reduce(0) { $0 + $1[atom] * $1[other] }) / norm.squareRoot()
            }
            let length = left[atom] / norm.squareRoot()
            for other in left.indices {
                left[other] -= length * factor[other]
                norms[other] -= factor[other] * factor[other]
            }
            factors.append(factor)
        }
        var (best, gain): (Int?, Double) = (nil, 0)
        for atom in left.indices where norms[atom] > 1e-5 * gram[atom, atom] && !rest.contains(atom) {
            let saved = left[atom] * left[atom] / norms[atom]
            if saved > gain { (best, gain) = (atom, saved) }
        }
        return best
    }
}
