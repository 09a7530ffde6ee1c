import LinearAlgebra
import StructuredMatrices
import Tensors

/// Improves rounded rows under the objective itself, tr((W - V) G (W - V)^T), by two steps in turn: every code becomes the
/// best one given all others, column after column; then all scales (and zero points) of a row become the least-squares ones
/// for its codes. Neither step can raise the objective but for the rounding of scales as they are stored, and a row keeps
/// its scales where that would.
///
/// Coordinate descent over codes as in QuantEase (arXiv 2309.01885); blocks of columns make it products of matrices. After
/// the first round few codes change, and what was computed from them follows the changes.
/// Memory: G in floats; for every thread three matrices of `rowsAtOnce` rows, and what these rows' products by groups take.
package struct CoordinateDescent: Sendable {
    let gram: Matrix
    let diagonal: [Float]
    /// What an offset of each group adds to the product with G: the indicators of the groups times G, groups x columns.
    let indicators: Matrix
    /// The same summed over the columns of each group, groups x groups.
    let indicatorSums: DoubleMatrix
    let groupSize: Int
    let quantizer: GroupQuantizer
    /// Rounds of both steps at most, and the relative gain below which they end.
    private let rounds: Int
    private static let leastGain = 1e-3
    /// Scales and offsets of one row that are solved for together at most; rows with more keep theirs, because systems of
    /// equations grow with the square of them and their solution with the cube.
    private static let mostUnknowns = 256

    var groups: Int { indicators.rows }
    var unknowns: Int { groups * (quantizer.hasZeroPoints ? 2 : 1) }
    var fitsScales: Bool { unknowns <= Self.mostUnknowns }

    /// Rows to improve at once: their products by groups take 32 MiB at most, or are those of 16 rows.
    var rowsAtOnce: Int {
        fitsScales ? max(16, min(256, (1 << 23) / max(1, groups * diagonal.count))) : 256
    }

    package init(_ gram: Gram, groupSize: Int, quantizer: GroupQuantizer, rounds: Int) {
        let exact = gram.matrix
        let size = gram.size
        let groups = (size + groupSize - 1) / groupSize
        var indicators = DoubleMatrix(rows: groups, columns: size)
        for row in 0..<size {
            for column in 0..<size { indicators[row / groupSize, column] += exact[row, column] }
        }
        var sums = DoubleMatrix(rows: groups, columns: groups)
        for group in 0..<groups {
            for column in 0..<size { sums[group, column / groupSize] += indicators[group, column] }
        }
        self.gram = exact.converted()
        diagonal = gram.diagonal.map { Float($0) }
        gram.release()
        self.indicators = indicators.converted()
        indicatorSums = sums
        self.groupSize = groupSize
        self.quantizer = quantizer
        self.rounds = rounds
    }

    func columns(of group: Int) -> Range<Int> { group * groupSize..<min(diagonal.count, (group + 1) * groupSize) }

    /// The rows improved, and the objective before and after each round. About 4 rows columns^2 multiply-adds, and 2 columns
    /// for every code that changes.
    package func improve(_ rows: MatrixView, from start: QuantizedRows) -> (rows: QuantizedRows, trace: [Double]) {
        var state = State(rows, start, self)
        var trace = [state.objective()]
        for _ in 0..<rounds {
            state.chooseCodes()
            if fitsScales { state.fitScales() }
            trace.append(state.objective())
            let (before, after) = (trace[trace.count - 2], trace[trace.count - 1])
            if !(before - after > Self.leastGain * before) { break }
        }
        return (state.rounded, trace)
    }
}
