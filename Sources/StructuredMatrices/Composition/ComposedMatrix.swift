import Tensors

/// A matrix made of others: what combines them is the family, what they are is data. Parts may be composed themselves.
///
/// A checkpoint stores part i under `<matrix name>.<i>.<factor name>` and describes it in the attributes' `parts`.
public protocol ComposedMatrix: StructuredMatrix {
    var parts: [any StructuredMatrix] { get }
    /// Vectors and index lists beside the parts, under names that are not numbers.
    var ownTensors: [(name: String, tensor: Tensor)] { get throws }
    /// What the own tensors cost.
    var ownCost: Cost { get }
    /// Integers that say which own tensors there are.
    var ownAttributes: [String: Int] { get }
}

extension ComposedMatrix {
    public var ownTensors: [(name: String, tensor: Tensor)] { get throws { [] } }
    public var ownCost: Cost { Cost(parameters: 0, storedBytes: 0, multiplyAdds: 0) }
    public var ownAttributes: [String: Int] { [:] }

    public var cost: Cost { parts.reduce(ownCost) { $0 + $1.cost } }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            try ownTensors
                + parts.enumerated().flatMap { index, part in
                    try part.tensors.map { (name: "\(index).\($0.name)", tensor: $0.tensor) }
                }
        }
    }

    public var attributes: FamilyAttributes {
        FamilyAttributes(ownAttributes, parts: parts.map { MatrixDescription($0) })
    }

    /// The error of a composition that is none.
    static func invalid(_ shape: MatrixShape, _ reason: String) -> StructuredMatrixError {
        .invalidSize(family: family.name, shape: shape, reason: reason)
    }

    /// Refuses what could not be read back.
    /// - Throws: `StructuredMatrixError.invalidSize`.
    static func checkNesting(_ parts: [any StructuredMatrix], _ shape: MatrixShape) throws {
        let description = MatrixDescription(family: family.name, shape: shape, parts: parts.map { MatrixDescription($0) })
        if let reason = description.nestingObjection { throw invalid(shape, reason) }
    }
}

extension MatrixDescription {
    /// Why this is nested too deep or of too many parts; nil when it is not.
    var nestingObjection: String? {
        // In this order: counting stops early, and bounds what is looked through for the depth.
        if count() > Self.maximumParts { return "it is of more than \(Self.maximumParts) parts" }
        return depth() > Self.maximumDepth ? "it is nested deeper than \(Self.maximumDepth) levels" : nil
    }
}

extension FamilyAttributes {
    /// The parts of a composed matrix, read where `tensors` has them.
    /// - Parameter objection: what is wrong with the parts' shapes, nil when nothing is.
    /// - Throws: `StructuredMatrixError`; of descriptions that do not fit together before any tensor is read.
    func readParts(
        of family: Family, shape: MatrixShape, count: ClosedRange<Int>, tensors: TensorLookup,
        objection: ([MatrixShape]) -> String?
    ) throws -> [any StructuredMatrix] {
        try check(shape)
        func invalid(_ reason: String) -> StructuredMatrixError {
            .invalidParts(matrix: matrix, family: family.name, shape: shape, reason: reason)
        }
        guard count.contains(parts.count) else {
            let expected = count.count == 1 ? "\(count.lowerBound)" : "\(count.lowerBound) to \(count.upperBound)"
            throw invalid("expected \(expected) of them, got \(parts.count)")
        }
        let description = MatrixDescription(family: family.name, shape: shape, parts: parts)
        if let reason = description.nestingObjection ?? objection(parts.map(\.shape)) { throw invalid(reason) }
        return try parts.enumerated().map { index, part in
            try part.matrix(named: "\(matrix).\(index)", tensors: tensors.part(index))
        }
    }
}

extension Cost {
    public static func + (left: Cost, right: Cost) -> Cost {
        Cost(
            parameters: left.parameters + right.parameters, storedBytes: left.storedBytes + right.storedBytes,
            multiplyAdds: left.multiplyAdds + right.multiplyAdds)
    }
}

/// Adds `term` to `sum`, element by element.
func add(_ term: MatrixView, to sum: MutableMatrixView) {
    for row in 0..<sum.rows {
        let (source, target) = (term.row(row), sum.row(row))
        for column in 0..<sum.columns { target[column] += source[column] }
    }
}
