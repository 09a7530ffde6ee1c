import StructuredMatrices
import Tensors

/// Trit-planes by alternation within each group: scales by ridge regression, trits by trying all sums. Under
/// `.activations` weights count by the mean squares of their inputs.
public struct TritPlaneFitter: Fitter {
    public static let method = FittingMethod(
        name: "trit-planes", family: TritPlanes.family, objectives: [.frobenius, .activations],
        summary: "ternary planes and their scales in turn, group by group", source: "PTQTP, arXiv 2509.16989")

    /// 1 to 4; nil takes as many as the budget allows.
    public var planes: Int?
    /// Consecutive weights of a row that share their scales.
    public var groupSize: Int

    public init(planes: Int? = nil, groupSize: Int = 128) {
        self.planes = planes
        self.groupSize = groupSize
    }

    /// At most 7 starts of 50 sweeps over every group, each trying 3^planes sums a weight. Rows are shared among
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
            var group = TritPlaneGroup(planes: planes, groupSize: groupSize)
            var trits = [Int8](repeating: 0, count: planes * shape.columns)
            var scales = [Float](repeating: 0, count: planes * groups)
            for index in 0..<groups {
                let columns = index * groupSize..<min(shape.columns, (index + 1) * groupSize)
                let first = row * shape.columns
                let fit = group.fit(
                    weight.elements[first + columns.lowerBound..<first + columns.upperBound],
                    importance: importance[columns])
                for plane in 0..<planes {
                    scales[plane * groups + index] = fit.scales[plane]
                    for column in columns {
                        trits[plane * shape.columns + column] = group.trit(
                            plane: plane, of: column - columns.lowerBound)
                    }
                }
            }
            return (trits: trits, scales: scales)
        }
        var trits: [Int8] = [], scales: [Float] = []
        for plane in 0..<planes {
            for row in rows {
                trits += row.trits[plane * shape.columns..<(plane + 1) * shape.columns]
                scales += row.scales[plane * groups..<(plane + 1) * groups]
            }
        }
        let matrix = try TritPlanes(
            trits: trits, scales: scales, planes: planes, shape: shape, groupSize: self.groupSize)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }

    private func planes(within size: SizeBudget, shape: MatrixShape, context: FitContext) throws -> Int {
        func invalid(_ option: String, _ expected: String, _ got: Int) -> FittingError {
            .invalidOption(fitter: Self.method.name, option: option, expected: expected, got: got)
        }
        guard groupSize > 0 else { throw invalid("group size", "1 or more", groupSize) }
        let supported = TritPlanes.supportedPlanes
        if let planes, !supported.contains(planes) { throw invalid("planes", "1 to 4", planes) }
        return try size.largest(
            in: planes.map { $0...$0 } ?? supported, family: TritPlanes.family, shape: shape, matrix: context.name
        ) { TritPlanes.cost(shape: shape, planes: $0, groupSize: groupSize) }
    }
}
