import LinearAlgebra
import Rewriting
import Synchronization
import Tensors

/// Sums over tokens of x x^T for several inputs of linear layers, and of x where they are asked for, in `Double`.
///
/// Inputs are copied as they are seen and added later: all inputs in parallel, each in the order in which it was seen and a
/// few rows at a time. So the sums do not depend on the number of threads. Memory: 8 features^2 bytes for each input, and
/// `limit` for copies.
struct MomentSums {
    /// Bytes of copies from which on `addFull` adds them.
    static let limit = 32 << 20
    /// Rows that are in `Double` at once; batches are no longer, but for single long sequences.
    static let rowsAtOnce = 512

    let names: [String]
    private let slots: [String: Int]
    private let sums: [Sum]
    /// Of each input, in the order seen.
    private var held: [[Matrix]]
    private var heldBytes = 0

    /// Sums of zero.
    /// - Parameter features: the width of each input.
    init(features: [String: Int], withMeans: Bool = false) {
        names = features.keys.sorted()
        slots = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        sums = names.map { Sum(columns: features[$0] ?? 0, hasMean: withMeans) }
        held = Array(repeating: [], count: names.count)
    }

    /// Takes what an observer sees; other inputs than those of the sums are passed over.
    mutating func see(_ name: String, _ activations: MatrixView) {
        guard let slot = slots[name] else { return }
        held[slot].append(Matrix(copying: activations))
        heldBytes += 4 * activations.rows * activations.columns
    }

    /// Adds what was seen.
    mutating func add(_ context: ExecutionContext) {
        let (sums, held) = (sums, held)
        context.parallelFor(held.count) { sums[$0].add(held[$0]) }
        self.held = Array(repeating: [], count: held.count)
        heldBytes = 0
    }

    /// Adds what was seen where it is much.
    mutating func addFull(_ context: ExecutionContext) {
        if heldBytes >= Self.limit { add(context) }
    }

    /// E[x x^T] and E[x] of an input, features x features and features; the sums are not held any more. Means that were not
    /// asked for are 0.
    /// - Parameter tokens: of all that was added.
    /// - Throws: `CompressionError.notFinite`.
    func take(_ name: String, tokens: Int) throws -> InputMoments {
        guard let slot = slots[name] else { return InputMoments(second: DoubleMatrix(rows: 0, columns: 0), mean: []) }
        var (second, mean) = sums[slot].take()
        guard second.isFinite else { throw CompressionError.notFinite(matrix: name, what: "the calibration input") }
        let share = 1 / Double(max(1, tokens))
        second.scale(by: share)
        for index in mean.indices { mean[index] *= share }
        return InputMoments(second: second, mean: mean)
    }

    /// The second moments' sums as bytes, one after the other, for other processes to add to.
    func forEachBytes(_ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        for sum in sums { try sum.withBytes(body) }
    }
}

/// Sums of one input that threads add to, one at a time.
private final class Sum: Sendable {
    private let value: Mutex<(second: DoubleMatrix, mean: [Double])>
    private let hasMean: Bool

    init(columns: Int, hasMean: Bool) {
        value = Mutex((DoubleMatrix(rows: columns, columns: columns), Array(repeating: 0, count: columns)))
        self.hasMean = hasMean
    }

    func add(_ inputs: [Matrix]) {
        value.withLock { sum in
            for input in inputs {
                for first in stride(from: 0, to: input.rows, by: MomentSums.rowsAtOnce) {
                    let range = first..<min(input.rows, first + MomentSums.rowsAtOnce)
                    let rows = input.block(rows: range, columns: 0..<input.columns).converted(to: Double.self)
                    sum.second.addGramian(of: rows)
                    guard hasMean else { continue }
                    for row in 0..<rows.rows {
                        for column in 0..<rows.columns { sum.mean[column] += rows[row, column] }
                    }
                }
            }
        }
    }

    func take() -> (second: DoubleMatrix, mean: [Double]) {
        value.withLock { sum in
            defer { sum = (DoubleMatrix(rows: 0, columns: 0), []) }
            return sum
        }
    }

    func withBytes(_ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        try value.withLock { sum in try sum.second.elements.withUnsafeMutableBytes { try body($0) } }
    }
}
