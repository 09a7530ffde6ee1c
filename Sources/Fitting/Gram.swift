import LinearAlgebra
import Synchronization
import Tensors

/// Second moments of a layer's inputs, G = X^T X / N, that weight the error of its matrix: one object for
/// each distinct input, shared by all the fits of all the matrices that read it.
///
/// G is damped once, here: `relativeDamping` times the mean of its diagonal is added to the diagonal, and the
/// sum *is* the objective everywhere (errors, roots, sweeps), so that identities between them hold exactly.
///
/// The default of 0.01 is against fitting the calibration text instead of the language: on MiniLM, calibrated
/// on 5,000 tokens and judged on other sentences, it lowered the errors of BLAST and Monarch by 5 - 30 %
/// against 1e-6 and cost low-rank nothing; 0.1 was too much. It also keeps G invertible when inputs are dead
/// or fewer than features. Memory: columns^2 doubles, the same again once `root()` was asked for, half as much for sweeps, and
/// half as much for every order of compensation that is kept (`compensationsKept` at most); one that is read anew keeps none
/// of them beyond its use.
public final class Gram: Sendable {
    /// Number of input features.
    public let size: Int
    /// Mean squares of the single inputs (with the damping).
    public let diagonal: [Double]
    public let relativeDamping: Double
    /// See above.
    public static let defaultDamping = 0.01
    private let kept: Mutex<DoubleMatrix?>
    /// Where the damped G can be had again; nil where it is always kept.
    private let read: (@Sendable () -> DoubleMatrix)?
    private let norms = SquaredNorms()
    private let cachedRoot = Mutex<SymmetricRoot?>(nil)
    private let cachedSweep = Mutex<ErrorCompensation?>(nil)
    private let cachedCompensations = Mutex<[CompensationOrder: ErrorCompensation]>([:])

    /// - Parameter matrix: X^T X / N, columns x columns; both triangles are read and averaged.
    /// - Throws: `FittingError.gramNotSquare`, `.notFiniteGram`.
    public convenience init(_ matrix: consuming DoubleMatrix, relativeDamping: Double = Gram.defaultDamping) throws {
        guard matrix.rows == matrix.columns else {
            throw FittingError.gramNotSquare(rows: matrix.rows, columns: matrix.columns)
        }
        if let index = matrix.elements.firstIndex(where: { !$0.isFinite }) {
            throw FittingError.notFiniteGram(row: index / matrix.columns, column: index % matrix.columns)
        }
        let size = matrix.rows
        // Taken over, so that a large one that no one else holds is not copied.
        var damped = consume matrix
        damped.withMutableView { g in
            var trace = 0.0
            for row in 0..<size {
                trace += g.row(row)[row]
                for column in 0..<row {
                    let mean = (g.row(row)[column] + g.row(column)[row]) / 2
                    g.row(row)[column] = mean
                    g.row(column)[row] = mean
                }
            }
            let damping = size > 0 ? relativeDamping * max(0, trace) / Double(size) : 0
            for row in 0..<size { g.row(row)[row] += damping }
        }
        self.init(damped: damped, relativeDamping: relativeDamping)
    }

    /// A G that is damped already.
    package init(damped: DoubleMatrix, relativeDamping: Double = Gram.defaultDamping) {
        size = damped.rows
        diagonal = (0..<damped.rows).map { damped[$0, $0] }
        self.relativeDamping = relativeDamping
        kept = Mutex(damped)
        read = nil
    }

    /// A G too large to keep: `read` returns the damped G, columns x columns, whenever it is needed.
    /// - Parameter diagonal: that of the damped G.
    package init(
        diagonal: [Double], relativeDamping: Double = Gram.defaultDamping, read: @escaping @Sendable () -> DoubleMatrix
    ) {
        size = diagonal.count
        self.diagonal = diagonal
        self.relativeDamping = relativeDamping
        kept = Mutex(nil)
        self.read = read
    }

    /// The damped G, columns x columns, symmetric.
    public var matrix: DoubleMatrix {
        kept.withLock { kept in
            if let kept { return kept }
            guard let read else { return DoubleMatrix(rows: 0, columns: 0) }
            let matrix = read()
            kept = matrix
            return matrix
        }
    }

    /// tr(W G W^T) as `measure` gives it, remembered.
    func squaredNorm(of weight: Matrix, measure: () -> Double) -> Double { norms.norm(of: weight, measure: measure) }

    /// Drops what can be read or computed anew.
    package func release() {
        guard read != nil else { return }
        kept.withLock { $0 = nil }
    }

    /// G of the given inputs (tokens x features).
    /// - Throws: as above.
    public convenience init(inputs: DoubleMatrix, relativeDamping: Double = Gram.defaultDamping) throws {
        var gram = inputs.gramian()
        let scale = 1 / Double(max(1, inputs.rows))
        for index in gram.elements.indices { gram.elements[index] *= scale }
        try self.init(gram, relativeDamping: relativeDamping)
    }

    /// L with G = L L^T, computed at the first call and kept (one that is read anew: at every call). About size^3 / 3
    /// multiply-adds.
    /// - Throws: `LinearAlgebraError.noConvergence`.
    public func root() throws -> SymmetricRoot {
        if let read {
            release()
            return try SymmetricRoot(reading: read)
        }
        return try cachedRoot.withLock { cached in
            if let cached { return cached }
            let root = try SymmetricRoot(matrix)
            cached = root
            return root
        }
    }

    /// What sweeps in the order of the columns need, computed at the first call and kept (4 columns^2 bytes): with more
    /// damping where G is too nearly singular to invert, nil where it is zero. About columns^3 multiply-adds.
    /// - Throws: `LinearAlgebraError.noConvergence`.
    func sweep() throws -> ErrorCompensation? {
        try cachedSweep.withLock { cached in
            var found = cached
            for damping in [0, 1e-6, 1e-4, 1e-2] where found == nil {
                found = try ErrorCompensation(
                    self, relativeDamping: damping, order: .stored, groupSize: ErrorCompensation.blockSize)
            }
            if read == nil { cached = found }
            return found
        }
    }

    /// What fixes a compensation of this G.
    private struct CompensationOrder: Hashable {
        let relativeDamping: Double
        let order: ColumnOrder
        let groupSize: Int
    }

    /// Orders that are kept; fits of one matrix at many bit widths, and of all matrices that read the same inputs, use as many
    /// as there are group sizes.
    static let compensationsKept = 3

    /// As `ErrorCompensation.init`, computed at the first call and kept: threads that ask for the same order wait for it
    /// instead of factorising again.
    /// - Throws: `LinearAlgebraError.noConvergence`.
    func compensation(relativeDamping: Double, order: ColumnOrder, groupSize: Int) throws -> ErrorCompensation? {
        let key = CompensationOrder(relativeDamping: relativeDamping, order: order, groupSize: groupSize)
        return try cachedCompensations.withLock { cached in
            if let compensation = cached[key] { return compensation }
            let compensation = try ErrorCompensation(
                self, relativeDamping: relativeDamping, order: order, groupSize: groupSize)
            if read == nil, cached.count < Self.compensationsKept { cached[key] = compensation }
            return compensation
        }
    }
}
