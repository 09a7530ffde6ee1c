import StructuredMatrices
import Tensors

/// A way to choose a mask and new values for the weights it keeps, the same for every sparse family.
///
/// Methods are values; their stored properties are their options.
public protocol PruningMethod: Sendable {
    /// As the last part of a fitter's name: "wanda".
    static var name: String { get }
    /// One line for help texts.
    static var summary: String { get }
    static var source: String { get }
    /// The objectives it makes small.
    static var objectives: [Objective.Kind] { get }

    /// With default options.
    init()

    /// - Parameter weight: checked, rows x columns, the columns a multiple of the pattern's pool.
    /// - Throws: `FittingError.cancelled`, `LinearAlgebraError`.
    func prune(
        _ weight: Matrix, objective: Objective, pattern: SparsityPattern, context: FitContext
    ) throws -> PrunedWeight
}

/// A weight with most of its entries zero.
public struct PrunedWeight: Sendable {
    /// rows x columns; zero wherever the mask is false.
    public var values: Matrix
    public var mask: WeightMask
    /// Relative squared errors after each step that moved the values.
    public var trace: [Double]

    /// The weights that the mask keeps, as they are.
    init(keeping mask: WeightMask, of weight: Matrix) {
        values = Matrix(rows: weight.rows, columns: weight.columns) { mask[$0, $1] ? weight[$0, $1] : 0 }
        self.mask = mask
        trace = []
    }

    /// What a matrix of N:M form keeps.
    public init(_ matrix: NMSparse) {
        let shape = matrix.shape
        var keeps = [Bool](repeating: false, count: shape.count)
        for (row, columns) in matrix.keptColumns.enumerated() {
            for column in columns { keeps[row * shape.columns + column] = true }
        }
        self.init(
            values: matrix.dense(),
            mask: WeightMask(
                pattern: .groups(kept: matrix.kept, of: matrix.group), rows: shape.rows, columns: shape.columns, keeps: keeps),
            trace: [])
    }

    init(values: Matrix, mask: WeightMask, trace: [Double]) {
        self.values = values
        self.mask = mask
        self.trace = trace
    }
}
