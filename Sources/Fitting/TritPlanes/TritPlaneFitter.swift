import LinearAlgebra
import StructuredMatrices
import Tensors

/// Trit-planes by alternation within each group: scales by ridge regression, trits by trying all sums. Under
/// `.activations` weights count by the mean squares of their inputs, and errors are compensated (GPTQ): groups take their
/// scales from the weights as compensated so far, and what a weight loses moves on. The better of the two is kept.
public struct TritPlaneFitter: Fitter {
    public static let method = FittingMethod(
        name: "trit-planes", family: TritPlanes.family, objectives: [.frobenius, .activations],
        summary: "ternary planes and their scales in turn, group by group", source: "PTQTP, arXiv 2509.16989, and GPTQ, arXiv 2210.17323")

    /// 1 to 4; nil takes as many as the budget allows.
    public var planes: Int?
    /// Consecutive weights of a row that share their scales.
    public var groupSize: Int

    /// Whether every plane's scale is three times the next one's (see `TiedTritPlaneFitter`).
    public var tied: Bool
    /// Whether rounding errors are compensated when the objective is `.activations`.
    public var compensated: Bool

    public init(planes: Int? = nil, groupSize: Int = 128, compensated: Bool = true, tied: Bool = false) {
        self.planes = planes
        self.tied = tied
        self.groupSize = groupSize
        self.compensated = compensated
    }

    /// At most 7 starts of 50 sweeps over every group, each sorting 3^planes sums and passing over them and the weights once; compensated, the same again, and
    /// columns^3 and rows columns^2 multiply-adds. Rows are shared among
    /// `context.execution`'s threads.
    /// - Throws: `FittingError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<TritPlanes> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let planes = try planes(within: size, shape: shape, context: context)
        let importance =
            objective.gram?.diagonal.map { Float($0) } ?? [Float](repeating: 1, count: weight.columns)
        let groupSize = min(groupSize, shape.columns)
        let groups = (shape.columns + groupSize - 1) / groupSize
        let rows = try context.execution.parallelMap(shape.rows) { row in
            try context.checkCancellation()
            var group = TritPlaneGroup(planes: planes, groupSize: groupSize, tied: tied)
            var result = TritRows(planes: planes, rows: 1, columns: shape.columns, groups: groups)
            for index in 0..<groups {
                let columns = index * groupSize..<min(shape.columns, (index + 1) * groupSize)
                let first = row * shape.columns
                let fit = group.fit(
                    weight.elements[first + columns.lowerBound..<first + columns.upperBound],
                    importance: importance[columns])
                for plane in 0..<planes {
                    result.scales[plane * groups + index] = fit.scales[plane]
                    for column in columns {
                        result.trits[plane * shape.columns + column] = group.trit(
                            plane: plane, of: column - columns.lowerBound)
                    }
                }
            }
            return result
        }
        let nearest = try measured(rows, planes, weight, objective, context)
        guard compensated, let gram = objective.gram, nearest.relativeError > 0,
            let compensation = try gram.compensation(
                relativeDamping: 0.01, order: .largestGroups, groupSize: groupSize)
        else { return nearest }
        let rowsAtOnce = 64
        let pieces = try weight.withView { view in
            try context.execution.parallelMap((shape.rows + rowsAtOnce - 1) / rowsAtOnce) { piece in
                try context.checkCancellation()
                let range = piece * rowsAtOnce..<min(shape.rows, (piece + 1) * rowsAtOnce)
                return compensation.round(view.rows(range), groupSize: groupSize, planes: planes, tied: tied)
            }
        }
        let moved = try measured(pieces, planes, weight, objective, context)
        let best = moved.relativeError < nearest.relativeError ? moved : nearest
        return Fit(
            matrix: best.matrix, relativeError: best.relativeError, trace: [nearest.relativeError, best.relativeError])
    }

    /// The matrix of pieces of consecutive rows.
    private func measured(
        _ pieces: [TritRows], _ planes: Int, _ weight: Matrix, _ objective: Objective, _ context: FitContext
    ) throws -> Fit<TritPlanes> {
        var trits: [Int8] = [], scales: [Float] = []
        for plane in 0..<planes {
            for piece in pieces {
                let (tritCount, scaleCount) = (piece.trits.count / planes, piece.scales.count / planes)
                trits += piece.trits[plane * tritCount..<(plane + 1) * tritCount]
                scales += piece.scales[plane * scaleCount..<(plane + 1) * scaleCount]
            }
        }
        let matrix = try TritPlanes(
            trits: trits, scales: scales, planes: planes,
            shape: MatrixShape(rows: weight.rows, columns: weight.columns), groupSize: groupSize)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }

    private func planes(within size: SizeBudget, shape: MatrixShape, context: FitContext) throws -> Int {
        guard groupSize > 0 else { throw Self.invalid("group size", "1 or more", groupSize) }
        let supported = TritPlanes.supportedPlanes
        if let planes, !supported.contains(planes) { throw Self.invalid("planes", "1 to 4", planes) }
        return try size.largest(
            in: planes.map { $0...$0 } ?? supported, family: TritPlanes.family, shape: shape, matrix: context.name
        ) { TritPlanes.cost(shape: shape, planes: $0, groupSize: groupSize) }
    }
}

/// Trits and scales of consecutive rows, plane by plane.
struct TritRows: Sendable {
    /// planes x rows x columns.
    var trits: [Int8]
    /// planes x rows x groups.
    var scales: [Float]

    init(planes: Int, rows: Int, columns: Int, groups: Int) {
        trits = [Int8](repeating: 0, count: planes * rows * columns)
        scales = [Float](repeating: 0, count: planes * rows * groups)
    }
}

extension ErrorCompensation {
    /// Rows rounded to sums of planes with compensation. Groups are whole in the order of columns.
    fileprivate func round(_ rows: MatrixView, groupSize: Int, planes: Int, tied: Bool) -> TritRows {
        let (count, size) = (rows.rows, rows.columns)
        let groups = (size + groupSize - 1) / groupSize
        var result = TritRows(planes: planes, rows: count, columns: size, groups: groups)
        var search = TritPlaneGroup(planes: planes, groupSize: groupSize, tied: tied)
        var sums = TritSums(planes: planes)
        sweep(rows) { row, weights, position, column in
            if let positions = spanStarts[position] {
                let scales = search.fit(
                    Array(UnsafeBufferPointer(start: weights + positions.lowerBound, count: positions.count))[...],
                    importance: importance[positions]
                ).scales
                sums.setScales(scales)
                for plane in 0..<planes {
                    result.scales[(plane * count + row) * groups + column / groupSize] = scales[plane]
                }
            }
            let combination = sums.nearest(to: weights[position])
            for plane in 0..<planes {
                result.trits[(plane * count + row) * size + column] = sums.trit(plane: plane, combination: combination)
            }
            return sums.values[combination]
        }
        return result
    }
}
