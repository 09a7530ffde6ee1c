import StructuredMatrices
import Tensors

/// How the codes of a dictionary are stored.
enum CodePattern: Sendable, Equatable {
    /// Any atoms, as many for every row: compressed sparse rows.
    case rows
    /// N of every M consecutive atoms.
    case groups(kept: Int, of: Int)

    /// Of the places of the codes.
    var sparse: SparseForm {
        switch self {
        case .rows: .rows
        case .groups(let kept, let group): .groups(kept: kept, of: group)
        }
    }

    /// What codes of `entries` numbers in all and `atoms` atoms cost together.
    func cost(shape: MatrixShape, atoms: Int, entries: Int, precision: Precision) -> Cost {
        sparse.cost(shape: MatrixShape(rows: shape.rows, columns: atoms), entries: entries, precision: precision)
            + .factors(atoms * shape.columns, precision: precision)
    }
}

/// How many atoms a dictionary has, and how many numbers the codes of all rows.
struct DictionarySize: Sendable, Equatable {
    let atoms: Int
    let entries: Int

    /// Atoms a row may use.
    func count(row: Int, rows: Int) -> Int { entries / rows + (row < entries % rows ? 1 : 0) }

    /// The largest within the budget with about `ratio` atoms for every one that a row uses; what is left goes to codes.
    /// More atoms than the smaller side of the matrix are never taken: as many, with full codes, are exact.
    /// - Throws: `FittingError`.
    init(
        within size: SizeBudget, shape: MatrixShape, pattern: CodePattern, ratio: Double, precision: Precision, fitter: String,
        matrix: String
    ) throws {
        let most = min(shape.rows, shape.columns)
        func whole(_ atoms: Int, _ entries: Int) -> Cost {
            pattern.cost(shape: shape, atoms: atoms, entries: entries, precision: precision)
        }
        switch pattern {
        case .rows:
            guard ratio >= 1 else {
                throw FittingError.invalidOption(
                    fitter: fitter, option: "ratio", expected: "1 or more", got: Int(max(-1e9, min(ratio, 1))))
            }
            func perRow(_ atoms: Int) -> Int { max(1, Int((Double(atoms) / ratio).rounded())) }
            let atoms = try size.largest(in: 1...most, family: MatrixProduct.family, shape: shape, matrix: matrix) {
                whole($0, perRow($0) * shape.rows)
            }
            let least = perRow(atoms) * shape.rows
            self.atoms = atoms
            entries = try size.largest(
                in: least...max(least, atoms * shape.rows), family: MatrixProduct.family, shape: shape, matrix: matrix
            ) { whole(atoms, $0) }
        case .groups(let kept, let group):
            let groups = try size.largest(
                in: 1...(most + group - 1) / group, family: MatrixProduct.family, shape: shape, matrix: matrix
            ) { whole($0 * group, $0 * kept * shape.rows) }
            atoms = groups * group
            entries = groups * kept * shape.rows
        }
    }
}
