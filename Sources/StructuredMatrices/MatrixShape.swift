/// The shape of W in y = W x: rows (outputs) x columns (inputs).
public struct MatrixShape: Sendable, Hashable, CustomStringConvertible {
    public let rows: Int
    public let columns: Int

    public init(rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
    }

    /// Numbers in a dense matrix of this shape.
    public var count: Int { rows * columns }
    public var description: String { "\(rows) x \(columns)" }
}

/// What a structured matrix costs to keep and to apply.
public struct Cost: Sendable, Hashable {
    /// Numbers fitted to the weight: factor entries, codes, scales.
    public var parameters: Int
    /// Bytes in a checkpoint, everything counted: factors, codes, scales, indices.
    public var storedBytes: Int
    /// Multiply-adds for one input row.
    public var multiplyAdds: Int

    public init(parameters: Int, storedBytes: Int, multiplyAdds: Int) {
        self.parameters = parameters
        self.storedBytes = storedBytes
        self.multiplyAdds = multiplyAdds
    }
}
