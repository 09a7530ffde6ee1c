import LinearAlgebra
import StructuredMatrices
import Tensors

/// W = C B with sparse rows of codes C (rows x atoms) and a dense dictionary B (atoms x columns): what the fitters of
/// dictionaries share.
///
/// Work is done on W L and B L, L being a square root of G, where the objective is the sum of squares. The dictionary that
/// is stored is not un-whitened but refitted to W, which gives the same without dividing by small eigenvalues.
struct DictionaryProblem {
    let weight: Matrix
    let wide: DoubleMatrix
    let objective: Objective
    /// W L.
    let target: DoubleMatrix
    let pattern: CodePattern
    let size: DictionarySize
    let context: FitContext
    private let total: Double

    init(
        _ weight: Matrix, objective: Objective, size: SizeBudget, pattern: CodePattern, ratio: Double = 2, fitter: String,
        context: FitContext
    ) throws {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        self.size = try DictionarySize(
            within: size, shape: shape, pattern: pattern, ratio: ratio, precision: context.precision, fitter: fitter,
            matrix: context.name)
        self.weight = weight
        self.objective = objective
        self.pattern = pattern
        self.context = context
        wide = weight.converted()
        target = try LowRankFactorisation.whitened(wide, objective)
        total = target.squaredNorm
    }

    /// The relative error of codes times whitened atoms.
    func relativeError(_ codes: DoubleMatrix, _ atoms: DoubleMatrix) -> Double {
        objective.relative((target - codes.multiplied(by: atoms)).squaredNorm, to: total)
    }

    /// Orthonormal atoms to begin with: the leading right singular vectors, zero atoms beyond their number.
    /// - Throws: `LinearAlgebraError`.
    func singularAtoms() throws -> DoubleMatrix {
        let vectors = try SingularValues(target).vt
        return DoubleMatrix(rows: size.atoms, columns: vectors.columns) { $0 < vectors.rows ? vectors[$0, $1] : 0 }
    }

    /// The largest codes of every row, for orthonormal atoms.
    func thresholded(_ codes: DoubleMatrix) -> (codes: DoubleMatrix, mask: [Bool]) {
        let squares = DoubleMatrix(rows: codes.rows, columns: codes.columns, elements: codes.elements.map { $0 * $0 })
        let mask = pattern.sparse.places(squares, entries: size.entries)
        return (
            DoubleMatrix(rows: codes.rows, columns: codes.columns, elements: zip(mask, codes.elements).map { $0 ? $1 : 0 }),
            mask
        )
    }

    /// The best values of codes in given places.
    func refitted(
        _ codes: DoubleMatrix, mask: [Bool], atoms: DoubleMatrix, iterations: Int = 25
    ) throws -> DoubleMatrix {
        try MaskedQuadratic(h: atoms.multiplied(by: atoms, transposeOther: true), iterations: iterations).minimise(
            from: codes, target: target.multiplied(by: atoms, transposeOther: true), mask: mask, context: context)
    }

    /// The best atoms for given codes, of the rows of `rows` (W L or W): least squares for all of them at once. An atom
    /// that no row uses is zero.
    /// - Throws: `LinearAlgebraError`.
    func refittedAtoms(_ codes: DoubleMatrix, for rows: DoubleMatrix) throws -> DoubleMatrix {
        var gram = codes.gramian()
        let products = codes.multiplied(by: rows, transposeSelf: true)
        let used = (0..<gram.rows).map { gram[$0, $0] > 0 }
        for atom in used.indices where !used[atom] { gram[atom, atom] = 1 }
        return try solvePositive(gram, products, relativeRidge: 1e-12)
    }

    /// Chooses atoms for every row anew, and keeps the old choice of the rows that it served better.
    func recoded(
        _ codes: DoubleMatrix, mask: [Bool], atoms: DoubleMatrix
    ) throws -> (codes: DoubleMatrix, mask: [Bool]) {
        let gram = atoms.multiplied(by: atoms, transposeOther: true)
        let products = target.multiplied(by: atoms, transposeOther: true)
        let rows = wide.rows
        var chosen = try places(products: products, gram: gram)
        let quadratic = MaskedQuadratic(h: gram, iterations: 25)
        var values = try quadratic.minimise(
            from: DoubleMatrix(rows: rows, columns: size.atoms), target: products, mask: chosen, context: context)
        let old = try quadratic.minimise(from: codes, target: products, mask: mask, context: context)
        let (newGains, oldGains) = (gains(values, products, gram), gains(old, products, gram))
        for row in 0..<rows where oldGains[row] >= newGains[row] {
            let range = row * size.atoms..<(row + 1) * size.atoms
            chosen.replaceSubrange(range, with: mask[range])
            values.elements.replaceSubrange(range, with: old.elements[range])
        }
        return (values, chosen)
    }

    /// Which atoms the pursuit takes for other rows than the weight's.
    func places(for rows: DoubleMatrix, atoms: DoubleMatrix) throws -> [Bool] {
        try places(
            products: rows.multiplied(by: atoms, transposeOther: true),
            gram: atoms.multiplied(by: atoms, transposeOther: true))
    }

    private func places(products: DoubleMatrix, gram: DoubleMatrix) throws -> [Bool] {
        let (size, rows) = (size, wide.rows)
        var group: (kept: Int, of: Int)?
        if case .groups(let kept, let of) = pattern { group = (kept, of) }
        return try AtomSelection(gram: gram).places(
            products, count: { size.count(row: $0, rows: rows) }, group: group, context: context)
    }

    /// By how much codes lower the squared error of each row.
    private func gains(_ codes: DoubleMatrix, _ products: DoubleMatrix, _ gram: DoubleMatrix) -> [Double] {
        let images = codes.multiplied(by: gram)
        return (0..<codes.rows).map { row in
            var gain = 0.0
            for atom in 0..<codes.columns { gain += codes[row, atom] * (2 * products[row, atom] - images[row, atom]) }
            return gain
        }
    }

    /// Stores codes and the best dictionary for them: the dictionary first, so that a last refit of the codes makes good
    /// what rounding it spoils.
    func finished(_ codes: DoubleMatrix, mask: [Bool], trace: [Double]) throws -> Fit<MatrixProduct> {
        try context.checkCancellation()
        var atoms = try refittedAtoms(codes, for: wide)
        // Half precision is kind to numbers of size 1; codes take the scale of the weight.
        for atom in 0..<atoms.rows {
            let norm = (atoms.row(atom).reduce(0) { $0 + $1 * $1 } / Double(atoms.columns)).squareRoot()
            guard norm > 0 else { continue }
            for column in 0..<atoms.columns { atoms[atom, column] /= norm }
        }
        let dictionary = Dense(atoms.converted(to: Float.self), precision: context.precision)
        let stored: DoubleMatrix = dictionary.weight.matrix.converted()
        let weighted = objective.gram.map { stored.multiplied(by: $0.matrix) } ?? stored
        let gram = stored.multiplied(by: weighted, transposeOther: true)
        let values = try MaskedQuadratic(h: gram, iterations: 300).minimise(
            from: DoubleMatrix(rows: codes.rows, columns: codes.columns),
            target: wide.multiplied(by: weighted, transposeOther: true), mask: padded(mask), context: context)
        let matrix = try MatrixProduct([
            pattern.sparse.matrix(values, mask: padded(mask), precision: context.precision), dictionary,
        ])
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context, trace: trace)
    }

    /// As many places in every group as the pattern wants.
    private func padded(_ mask: [Bool]) -> [Bool] {
        guard case .groups(let kept, let group) = pattern else { return mask }
        var mask = mask
        for start in stride(from: 0, to: mask.count, by: group) {
            var missing = kept - mask[start..<start + group].count { $0 }
            for index in start..<start + group where missing > 0 && !mask[index] {
                mask[index] = true
                missing -= 1
            }
        }
        return mask
    }
}
