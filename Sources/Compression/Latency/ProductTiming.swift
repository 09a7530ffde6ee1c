import Benchmarking
import ModelFiles
import StructuredMatrices
import Tensors

/// One product whose time a table holds.
public struct ProductKey: Sendable, Hashable {
    /// Family and options; "dense" without options for a matrix as it is.
    public var candidate: Candidate
    public var shape: MatrixShape
    public var precision: Precision
    /// Rows of X in Y = X W^T.
    public var batch: Int
    /// Bytes of all the products of the dense model that the matrix belongs to: between two uses of the
    /// matrix the others pass through the caches, so that they decide whether it is found there.
    public var modelBytes: Int
    /// How X enters products with small integers.
    public var activations: ActivationRounding

    public init(
        candidate: Candidate, shape: MatrixShape, precision: Precision, batch: Int, modelBytes: Int,
        activations: ActivationRounding = LatencyWorkload.activations
    ) {
        self.candidate = candidate
        self.shape = shape
        self.precision = precision
        self.batch = batch
        self.modelBytes = modelBytes
        self.activations = activations
    }

    /// One order for files.
    static func precedes(_ left: ProductKey, _ right: ProductKey) -> Bool {
        func rank(_ key: ProductKey) -> (Int, Int, Int, Int, String, String) {
            (
                key.modelBytes, key.batch, key.shape.rows, key.shape.columns,
                "\(key.precision.rawValue) \(key.activations.rawValue)", key.candidate.family
            )
        }
        let (a, b) = (rank(left), rank(right))
        if a != b { return a < b }
        let names = left.candidate.options.keys.sorted() + right.candidate.options.keys.sorted()
        for name in names where left.candidate[name] != right.candidate[name] {
            return left.candidate[name] < right.candidate[name]
        }
        return left.candidate.label < right.candidate.label
    }
}

/// A time from a table.
public struct ProductTime: Sendable, Equatable {
    public let nanoseconds: Double
    /// Between two sizes that were measured.
    public let isInterpolated: Bool
}

/// Times of one form at several sizes: never falling with size, straight lines between what was measured.
///
/// Noise can make a larger product seem faster; neighbours that disagree with the order are replaced by their
/// mean (pool adjacent violators: Ayer et al. 1955), which is the closest non-decreasing sequence in least
/// squares.
public struct MonotoneCurve: Sendable, Equatable {
    public let sizes: [Int]
    public let times: [Double]

    /// - Parameter points: of distinct sizes, in any order.
    public init(_ points: [(size: Int, time: Double)]) {
        let sorted = points.sorted { $0.size < $1.size }
        sizes = sorted.map(\.size)
        var pools: [(sum: Double, count: Int)] = []
        for point in sorted {
            pools.append((point.time, 1))
            while pools.count > 1, let last = pools.last {
                let previous = pools[pools.count - 2]
                guard previous.sum / Double(previous.count) > last.sum / Double(last.count) else { break }
                pools.removeLast()
                pools[pools.count - 1] = (previous.sum + last.sum, previous.count + last.count)
            }
        }
        times = pools.flatMap { [Double](repeating: $0.sum / Double($0.count), count: $0.count) }
    }

    /// Nil outside the sizes measured.
    public func time(at size: Int) -> ProductTime? {
        guard let next = sizes.firstIndex(where: { $0 >= size }) else { return nil }
        if sizes[next] == size { return ProductTime(nanoseconds: times[next], isInterpolated: false) }
        guard next > 0 else { return nil }
        let share = Double(size - sizes[next - 1]) / Double(sizes[next] - sizes[next - 1])
        return ProductTime(
            nanoseconds: times[next - 1] + share * (times[next] - times[next - 1]), isInterpolated: true)
    }
}
