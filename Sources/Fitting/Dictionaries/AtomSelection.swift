import LinearAlgebra
import StructuredMatrices
import Tensors

/// Which atoms stand in for each row of a matrix: orthogonal matching pursuit, each time taking the atom that lowers the
/// error most once all chosen ones are refitted.
///
/// Works on inner products alone (the atoms' with each other, once, and with the rows), by a Cholesky factorisation that
/// grows with the choice: rows atoms s^2 / 2 multiply-adds for s atoms a row, nearly all in one kernel.
struct AtomSelection {
    /// atoms x atoms inner products.
    private let gram: Matrix
    private let atoms: Int

    init(gram: DoubleMatrix) {
        self.gram = gram.converted()
        atoms = gram.rows
    }

    private static let rowsAtOnce = 32

    /// - Parameters:
    ///   - products: rows x atoms inner products with the rows.
    ///   - count: atoms a row may use.
    ///   - group: nil, or at most `kept` of every `of` consecutive atoms.
    /// - Returns: rows x atoms; fewer than `count` where no other atom would help.
    func places(
        _ products: DoubleMatrix, count: @escaping @Sendable (Int) -> Int, group: (kept: Int, of: Int)?, context: FitContext
    ) throws -> [Bool] {
        let products: Matrix = products.converted()
        let pieces = (products.rows + Self.rowsAtOnce - 1) / Self.rowsAtOnce
        return try context.execution.parallelMap(pieces) { piece in
            try context.checkCancellation()
            let rows = piece * Self.rowsAtOnce..<min(products.rows, (piece + 1) * Self.rowsAtOnce)
            var mask = [Bool](repeating: false, count: rows.count * atoms)
            let most = rows.map(count).max() ?? 0
            let work = Work(atoms: atoms, count: most)
            for row in rows {
                work.choose(
                    products.row(row), gram, count: count(row), group: group,
                    into: &mask, from: (row - rows.lowerBound) * atoms)
            }
            return mask
        }.flatMap { $0 }
    }

    /// Working memory of one row's pursuit at a time. Used by one thread.
    private final class Work {
        private let atoms: Int
        private let memory: UnsafeMutablePointer<Float>
        /// What is left of the row's products with the atoms, and of the atoms' squared norms, outside the chosen ones' span.
        private let products: UnsafeMutablePointer<Float>
        private let norms: UnsafeMutablePointer<Float>
        /// Norms below which an atom lies in the span of the chosen ones but for rounding.
        private let smallest: UnsafeMutablePointer<Float>
        private let image: UnsafeMutablePointer<Float>
        private let coefficients: UnsafeMutablePointer<Float>
        /// The factorisation's rows: products of each chosen atom, made orthogonal to those before, with all atoms.
        private let factor: UnsafeMutablePointer<Float>

        init(atoms: Int, count: Int) {
            self.atoms = atoms
            let floats = 4 * atoms + count + count * atoms
            memory = .allocate(capacity: floats + 1)
            memory.initialize(repeating: 0, count: floats + 1)
            products = memory
            norms = products + atoms
            smallest = norms + atoms
            image = smallest + atoms
            coefficients = image + atoms
            factor = coefficients + count
        }

        deinit { memory.deallocate() }

        func choose(
            _ row: ArraySlice<Float>, _ gram: Matrix, count: Int, group: (kept: Int, of: Int)?, into mask: inout [Bool],
            from first: Int
        ) {
            for (atom, product) in row.enumerated() {
                products[atom] = product
                norms[atom] = gram[atom, atom]
                smallest[atom] = 1e-5 * norms[atom]
            }
            var left = group.map { group in [Int](repeating: group.kept, count: (atoms + group.of - 1) / group.of) }
            gram.withView { gram in
                for step in 0..<count {
                    guard let atom = best() else { return }
                    mask[first + atom] = true
                    add(atom, gram.row(atom), step)
                    norms[atom] = 0
                    guard let group else { continue }
                    let number = atom / group.of
                    left?[number] -= 1
                    guard left?[number] == 0 else { continue }
                    for other in number * group.of..<min(atoms, (number + 1) * group.of) { norms[other] = 0 }
                }
            }
        }

        /// The atom that saves most, nil where none saves anything.
        private func best() -> Int? {
            var (best, gain): (Int?, Float) = (nil, 0)
            for atom in 0..<atoms where norms[atom] > smallest[atom] {
                let saved = products[atom] * products[atom] / norms[atom]
                if saved > gain { (best, gain) = (atom, saved) }
            }
            return best
        }

        private func add(_ atom: Int, _ inner: UnsafePointer<Float>, _ step: Int) {
            let scale = 1 / norms[atom].squareRoot()
            let length = products[atom] * scale
            image.update(repeating: 0, count: atoms)
            if step > 0 {
                for before in 0..<step { coefficients[before] = factor[before * atoms + atom] }
                DenseProduct.applyTransposed(
                    MatrixView(base: coefficients, rows: 1, columns: step),
                    MatrixView(base: factor, rows: step, columns: atoms),
                    into: MutableMatrixView(base: image, rows: 1, columns: atoms), context: .serial)
            }
            let target = factor + step * atoms
            for index in 0..<atoms {
                let value = (inner[index] - image[index]) * scale
                target[index] = value
                products[index] -= length * value
                norms[index] -= value * value
            }
        }
    }
}
