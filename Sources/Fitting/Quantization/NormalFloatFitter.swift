import LinearAlgebra
import StructuredMatrices
import Tensors

/// Normal floats: every group's scale is its largest weight or, when searched, the multiple of it with the least squared
/// error; scales are quantized; then every weight goes to the nearest level of its group, with compensation of the errors
/// where the objective allows it.
public struct NormalFloatFitter: Fitter {
    public static let method = FittingMethod(
        name: "nf4", family: NormalFloat.family, objectives: [.frobenius, .activations],
        summary: "nearest quantiles of the normal distribution, with compensation of rounding errors",
        source: "QLoRA, arXiv 2305.14314, and GPTQ, arXiv 2210.17323")

    /// Consecutive weights of a row that share a scale.
    public var groupSize: Int
    /// Whether scales are searched; otherwise the largest weight of the group sets them, as in the paper.
    public var searchesScales: Bool
    /// Whether rounding errors are compensated when the objective is `.activations`.
    public var compensated: Bool

    public init(groupSize: Int = 64, searchesScales: Bool = true, compensated: Bool = true) {
        self.groupSize = groupSize
        self.searchesScales = searchesScales
        self.compensated = compensated
    }

    /// Some 20 passes over the weight; compensated, columns^3 and rows columns^2 multiply-adds more. Rows are shared among
    /// `context.execution`'s threads.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<NormalFloat> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        guard groupSize > 0 else {
            throw Self.invalid("group size", "1 or more", groupSize)
        }
        let cost = NormalFloat.cost(shape: shape, groupSize: groupSize)
        guard size.allows(cost, shape: shape) else {
            throw FittingError.budgetBelowMinimum(
                matrix: context.name, family: NormalFloat.family.name, shape: shape, budget: size, minimum: cost)
        }
        let importance = objective.gram?.diagonal ?? []
        let counts = importance.contains { $0 > 0 } ? importance.map { Float($0) } : Array(repeating: 1, count: shape.columns)
        let (groupSize, searching) = (groupSize, searchesScales)
        let found = try context.execution.parallelMap(shape.rows) { row in
            try context.checkCancellation()
            return stride(from: 0, to: shape.columns, by: groupSize).map { start in
                let columns = start..<min(shape.columns, start + groupSize)
                let first = row * shape.columns
                return NormalFloatScale.of(
                    weight.elements[first + columns.lowerBound..<first + columns.upperBound], counts[columns],
                    searching: searching)
            }
        }
        let scales = NormalFloat.QuantizedScales(found.flatMap { $0 })
        // Codes belong to the scales as they will be read.
        let values = scales.values
        func fit(_ codes: [Int8]) throws -> Fit<NormalFloat> {
            let matrix = try NormalFloat(codes: codes, scales: scales, shape: shape, groupSize: groupSize)
            return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
        }
        let groups = (shape.columns + groupSize - 1) / groupSize
        let grid = NormalFloatGrid(scales: values, groups: groups, groupSize: groupSize)
        let nearest = try fit(
            (0..<shape.count).map { index in
                let (row, column) = index.quotientAndRemainder(dividingBy: shape.columns)
                return Int8(grid.code(weight.elements[index], row: row, column: column))
            })
        guard compensated, let gram = objective.gram,
            let compensation = try gram.compensation(
                relativeDamping: 0.01, order: .largestInputs, groupSize: groupSize)
        else { return nearest }
        let rowsAtOnce = 256
        let pieces = try weight.withView { view in
            try context.execution.parallelMap((shape.rows + rowsAtOnce - 1) / rowsAtOnce) { piece in
                try context.checkCancellation()
                let rows = piece * rowsAtOnce..<min(shape.rows, (piece + 1) * rowsAtOnce)
                return compensation.round(view.rows(rows), firstRow: rows.lowerBound, grid: grid)
            }
        }
        let best = try fit(pieces.flatMap { $0 })
        let trace = [nearest.relativeError, min(best.relativeError, nearest.relativeError)]
        return best.relativeError < nearest.relativeError
            ? Fit(matrix: best.matrix, relativeError: best.relativeError, trace: trace)
            : Fit(matrix: nearest.matrix, relativeError: nearest.relativeError, trace: trace)
    }
}

/// Codes for given scales.
struct NormalFloatGrid: Sendable {
    /// rows x groups.
    let scales: [Float]
    let groups: Int
    let groupSize: Int

    /// The code less 8 whose level is nearest.
    @inline(__always)
    func code(_ weight: Float, row: Int, column: Int) -> Int {
        let scale = scales[row * groups + column / groupSize]
        return (scale > 0 ? Self.nearest(weight / scale) : Self.zero) - 8
    }

    func value(_ code: Int, row: Int, column: Int) -> Float {
        scales[row * groups + column / groupSize] * NormalFloat.levels[code + 8]
    }

    static let zero = 7
    /// Halfway between levels.
    private static let thresholds: [Float] = zip(NormalFloat.levels, NormalFloat.levels.dropFirst()).map { ($0 + $1) / 2 }

    /// The index of the nearest level: as many thresholds as lie below.
    static func nearest(_ number: Float) -> Int {
        var (low, high) = (0, thresholds.count)
        while low < high {
            let middle = (low + high) / 2
            if number > thresholds[middle] { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// The scale of a group.
enum NormalFloatScale {
    static func of(_ weights: ArraySlice<Float>, _ importance: ArraySlice<Float>, searching: Bool) -> Float {
        let largest = weights.reduce(0) { max($0, abs($1)) }
        guard largest > 0, searching else { return largest }
        var (best, least) = (largest, Float.infinity)
        for step in 0...14 {
            let scale = largest * (1.05 - 0.03 * Float(step))
            var error: Float = 0
            for (weight, importance) in zip(weights, importance) {
                let difference = weight - scale * NormalFloat.levels[NormalFloatGrid.nearest(weight / scale)]
                error += importance * difference * difference
            }
            if error < least { (best, least) = (scale, error) }
        }
        return best
    }
}

extension ErrorCompensation {
    /// Rows rounded with compensation to levels whose scales are given.
    fileprivate func round(_ rows: MatrixView, firstRow: Int, grid: NormalFloatGrid) -> [Int8] {
        var codes = [Int8](repeating: 0, count: rows.rows * rows.columns)
        sweep(rows) { row, weights, position, column in
            let code = grid.code(weights[position], row: firstRow + row, column: column)
            codes[row * rows.columns + column] = Int8(code)
            return grid.value(code, row: firstRow + row, column: column)
        }
        return codes
    }
}
