/// The layers of Sparse-IFT (Thangarasa et al. 2023, arXiv 2303.11525): larger and sparser than a dense layer, with as many
/// multiply-adds. What a training run makes of a layer before its masks are learnt.
public struct SparseIFT: Sendable, Hashable {
    /// The ways to spend what sparsity saves.
    public enum Transformation: String, Sendable, CaseIterable {
        /// Both sides wider by sqrt(1 / (1 - s)); all neighbours must widen with it.
        case wide
        /// 1 / (1 - s) sparse layers of the same shape, outputs summed.
        case parallel
        /// V phi(U x) with inner width rows columns / ((1 - s) (rows + columns)), both sparse.
        case factorized
        /// A sparse layer plus a dense low-rank one of rank s rows columns / (rows + columns).
        case doped
    }

    /// One matrix of the transformed layer.
    public struct Part: Sendable, Hashable {
        public let shape: MatrixShape
        /// Weights that a mask keeps; all of them in a dense part. As many multiply-adds for each input row.
        public let activeWeights: Int

        public var isDense: Bool { activeWeights == shape.count }

        init(shape: MatrixShape, activeWeights: Int) {
            self.shape = shape
            self.activeWeights = min(max(0, activeWeights), shape.count)
        }
    }

    public let transformation: Transformation
    /// Of the layer that is replaced.
    public let dense: MatrixShape
    /// s, the share of weights that masks drop: 0 up to but not including 1.
    public let sparsity: Double
    /// In the order they are applied: the branches side by side of `parallel`; U and V of `factorized`; of `doped` the
    /// sparse layer, then the low-rank's inner and outer factor where its rank is not 0.
    public let parts: [Part]

    /// Multiply-adds of all parts for one input row: those of the dense layer but for rounding.
    public var multiplyAdds: Int { parts.reduce(0) { $0 + $1.activeWeights } }

    /// Of `parallel`.
    public static let mostBranches = 1024

    /// - Throws: `StructuredMatrixError.invalidSize` for a sparsity outside 0..<1, an empty layer, sizes beyond 2^31
    ///   or too many branches.
    public init(_ transformation: Transformation, of dense: MatrixShape, sparsity: Double) throws {
        func invalid(_ reason: String) -> StructuredMatrixError {
            .invalidSize(family: "sparse-ift", shape: dense, reason: reason)
        }
        guard sparsity >= 0, sparsity < 1 else { throw invalid("sparsity must be 0 up to but not including 1, got \(sparsity)") }
        guard (1...Int(Int32.max)).contains(dense.rows), (1...Int(Int32.max)).contains(dense.columns) else {
            throw invalid("sizes must be 1 to \(Int32.max)")
        }
        let density = 1 - sparsity
        /// Sizes to the nearest integer, at least 1.
        func size(_ number: Double) throws -> Int {
            guard number.rounded() <= Double(Int32.max) else { throw invalid("sparsity \(sparsity) makes it larger than 2^31") }
            return max(1, Int(number.rounded()))
        }
        switch transformation {
        case .wide:
            let factor = (1 / density).squareRoot()
            let shape = MatrixShape(
                rows: try size(Double(dense.rows) * factor), columns: try size(Double(dense.columns) * factor))
            parts = [Part(shape: shape, activeWeights: dense.count)]
        case .parallel:
            // Where 1 / (1 - s) is no integer the nearest number of branches shares the multiply-adds evenly.
            let branches = try size(1 / density)
            guard branches <= Self.mostBranches else {
                throw invalid("sparsity \(sparsity) makes more than \(Self.mostBranches) branches")
            }
            let (each, more) = dense.count.quotientAndRemainder(dividingBy: branches)
            parts = (0..<branches).map { Part(shape: dense, activeWeights: each + ($0 < more ? 1 : 0)) }
        case .factorized:
            let whole = Double(dense.rows) * Double(dense.columns)
            let width = try size(whole / (density * Double(dense.rows + dense.columns)))
            let inner = MatrixShape(rows: width, columns: dense.columns)
            let outer = MatrixShape(rows: dense.rows, columns: width)
            let share = Double(dense.columns) / Double(dense.rows + dense.columns)
            let first = min(inner.count, Int((share * whole).rounded()))
            parts = [
                Part(shape: inner, activeWeights: first), Part(shape: outer, activeWeights: dense.count - first),
            ]
        case .doped:
            let whole = Double(dense.rows) * Double(dense.columns)
            let rank = Int(sparsity * whole / Double(dense.rows + dense.columns))
            let factors = rank * (dense.rows + dense.columns)
            var parts = [Part(shape: dense, activeWeights: dense.count - factors)]
            if rank > 0 {
                for shape in [
                    MatrixShape(rows: rank, columns: dense.columns), MatrixShape(rows: dense.rows, columns: rank),
                ] { parts.append(Part(shape: shape, activeWeights: shape.count)) }
            }
            self.parts = parts
        }
        self.transformation = transformation
        self.dense = dense
        self.sparsity = sparsity
    }
}
