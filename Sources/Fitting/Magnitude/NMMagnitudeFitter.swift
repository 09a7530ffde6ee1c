import StructuredMatrices
import Tensors

/// Keeps the N best of every M consecutive weights as they are. Among matrices that keep weights unchanged this is the exact
/// minimum of the Frobenius error, and of the activation error where inputs do not correlate.
public struct NMMagnitudeFitter: Fitter {
    public static let method = FittingMethod(
        name: "nm-magnitude", family: NMSparse.family, objectives: [.frobenius, .activations],
        summary: "the largest weights of every group, weighted by the size of their inputs",
        source: "Wanda, arXiv 2306.11695")

    /// N; nil takes as many as the budget allows.
    public var kept: Int?
    /// M: 4, 8 or 16; must divide the columns.
    public var group: Int

    public init(kept: Int? = nil, group: Int = 4) {
        self.kept = kept
        self.group = group
    }

    /// Sorts every group once.
    /// - Throws: `FittingError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<NMSparse> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let kept = try kept(within: size, shape: shape, context: context)
        let order = KeptWeights(weight, objective: objective)
        var (values, places) = ([Float](), [UInt8]())
        values.reserveCapacity(shape.count / group * kept)
        places.reserveCapacity(values.capacity)
        for row in 0..<shape.rows {
            try context.checkCancellation()
            for start in stride(from: 0, to: shape.columns, by: group) {
                let best = (start..<start + group).sorted { order.precedes(row: row, $0, $1) }.prefix(kept)
                for column in best.sorted() {
                    values.append(weight[row, column])
                    places.append(UInt8(column - start))
                }
            }
        }
        let matrix = try NMSparse(
            values: values, places: places, shape: shape, kept: kept, group: group, precision: context.precision)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }

    private func kept(within size: SizeBudget, shape: MatrixShape, context: FitContext) throws -> Int {
        func invalid(_ option: String, _ expected: String, _ got: Int) -> FittingError {
            .invalidOption(fitter: Self.method.name, option: option, expected: expected, got: got)
        }
        guard NMSparse.supportedGroups.contains(group) else { throw invalid("group", "4, 8 or 16", group) }
        if let kept, !(1...group).contains(kept) { throw invalid("kept", "1 to \(group)", kept) }
        guard shape.columns % group == 0 else {
            throw FittingError.ungroupable(
                matrix: context.name, family: NMSparse.family.name, shape: shape, group: group)
        }
        return try size.largest(
            in: kept.map { $0...$0 } ?? 1...group, family: NMSparse.family, shape: shape, matrix: context.name
        ) { NMSparse.cost(shape: shape, kept: $0, group: group, precision: context.precision) }
    }
}
