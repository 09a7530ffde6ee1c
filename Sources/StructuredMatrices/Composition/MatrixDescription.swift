/// What a checkpoint says of a matrix beside its numbers: its family, shape and integers, and the same of its parts.
///
/// Files are bounded: at most `maximumDepth` levels and `maximumParts` descriptions in all.
public struct MatrixDescription: Sendable, Equatable {
    public static let maximumDepth = 8
    public static let maximumParts = 64

    public let family: String
    public let shape: MatrixShape
    public let attributes: [String: Int]
    public let parts: [MatrixDescription]

    public init(family: String, shape: MatrixShape, attributes: [String: Int] = [:], parts: [MatrixDescription] = []) {
        self.family = family
        self.shape = shape
        self.attributes = attributes
        self.parts = parts
    }

    public init(_ matrix: any StructuredMatrix) {
        let attributes = matrix.attributes
        self.init(
            family: matrix.family.name, shape: matrix.shape, attributes: attributes.values, parts: attributes.parts)
    }

    /// Reads the matrix back.
    /// - Parameter name: for messages about the description; `tensors` names the tensors.
    /// - Throws: `StructuredMatrixError`.
    public func matrix(named name: String, tensors: TensorLookup) throws -> any StructuredMatrix {
        try Families.type(named: family, matrix: name).init(
            shape: shape, tensors: tensors, attributes: FamilyAttributes(attributes, parts: parts, matrix: name))
    }

    /// "low-rank rank=8", "sum (nm-sparse group=4 kept=2, low-rank rank=8)".
    public var text: String {
        let sizes = attributes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let inner = parts.isEmpty ? [] : ["(\(parts.map(\.text).joined(separator: ", ")))"]
        return ([family] + sizes + inner).joined(separator: " ")
    }

    /// Levels of nesting, 1 without parts. Stops counting past the limit.
    func depth(limit: Int = maximumDepth) -> Int {
        limit == 0 ? 1 : 1 + (parts.map { $0.depth(limit: limit - 1) }.max() ?? 0)
    }

    /// Descriptions in all, this one counted. Stops counting past the limits.
    func count(depth: Int = maximumDepth) -> Int {
        var total = 1
        guard depth > 0 else { return total }
        for part in parts where total <= Self.maximumParts { total += part.count(depth: depth - 1) }
        return total
    }
}
