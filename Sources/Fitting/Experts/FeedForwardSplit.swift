import LinearAlgebra
import StructuredMatrices
import Tensors

/// A trained feed-forward layer cut into experts of equal size without changing a weight (FactorLLM, arXiv 2408.11855): each
/// takes some hidden units, their rows of the gate and up matrices and their columns of the down matrix. All experts together
/// are the layer; K of them times N / K stand in for it.
public struct FeedForwardSplit: Sendable, Equatable {
    /// The hidden units of every expert, ascending.
    public let units: [[Int]]

    /// Consecutive slices.
    /// - Throws: `FittingError.invalidOption` when `experts` does not divide the hidden units.
    public init(hidden: Int, experts: Int) throws {
        try Self.check(hidden: hidden, experts: experts)
        let size = hidden / experts
        units = (0..<experts).map { Array($0 * size..<($0 + 1) * size) }
    }

    /// Units that are active together, by co-clustering their squared correlations.
    /// - Parameter moments: second moments of the hidden units' activations, hidden x hidden.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public init(moments: Gram, experts: Int, context: FitContext = FitContext()) throws {
        let hidden = moments.size
        try Self.check(hidden: hidden, experts: experts)
        let (matrix, squares) = (moments.matrix, moments.diagonal)
        let energy = DoubleMatrix(rows: hidden, columns: hidden) { row, column in
            let scale = squares[row] * squares[column]
            return row != column && scale > 0 ? matrix[row, column] * matrix[row, column] / scale : 0
        }
        let groups = try CoClustering(energy, groups: experts).best(of: 3, context: context).rows
        units = (0..<experts).map { expert in groups.indices.filter { groups[$0] == expert } }
    }

    private static func check(hidden: Int, experts: Int) throws {
        guard experts > 0, hidden > 0, hidden % experts == 0 else {
            throw FittingError.invalidOption(
                fitter: "feed-forward split", option: "experts", expected: "a divisor of \(hidden)", got: experts)
        }
    }

    public var experts: Int { units.count }

    /// What the sum of `kept` experts is multiplied by.
    public func scale(kept: Int) -> Float { Float(experts) / Float(max(1, kept)) }

    /// An expert's rows of a matrix whose outputs are the hidden units.
    /// - Precondition: as many rows as hidden units.
    public func rows(of matrix: Matrix, expert: Int) -> Matrix {
        Matrix(rows: units[expert].count, columns: matrix.columns) { matrix[units[expert][$0], $1] }
    }

    /// An expert's columns of a matrix whose inputs are the hidden units.
    /// - Precondition: as many columns as hidden units.
    public func columns(of matrix: Matrix, expert: Int) -> Matrix {
        Matrix(rows: matrix.rows, columns: units[expert].count) { matrix[$0, units[expert][$1]] }
    }

    /// For every token the `count` experts whose outputs are nearest to the layer's output times count / N, nearest first: what
    /// a router learns to choose.
    /// - Precondition: outputs of every expert and of the layer, all tokens x features.
    public static func nearest(_ count: Int, outputs: [Matrix], layer: Matrix) -> [[Int]] {
        let share = Float(count) / Float(max(1, outputs.count))
        return (0..<layer.rows).map { token in
            let distances = outputs.map { output in
                zip(output.row(token), layer.row(token)).reduce(0.0) { sum, pair in
                    let difference = Double(pair.0 - share * pair.1)
                    return sum + difference * difference
                }
            }
            return Array(distances.indices.sorted { (distances[$0], $0) < (distances[$1], $1) }.prefix(count))
        }
    }
}
