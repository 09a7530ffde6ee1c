import Tensors

/// An order of the numbers 0..<count: entry i is what comes to place i.
public struct Permutation: Sendable, Equatable {
    public let indices: [Int]

    /// Nil unless every number below `indices.count` is there once.
    public init?(_ indices: [Int]) {
        var seen = [Bool](repeating: false, count: indices.count)
        for index in indices {
            guard seen.indices.contains(index), !seen[index] else { return nil }
            seen[index] = true
        }
        self.indices = indices
    }

    private init(trusted indices: [Int]) { self.indices = indices }

    public static func identity(_ count: Int) -> Permutation { Permutation(trusted: Array(0..<count)) }

    /// The numbers in the order that sorts `keys`; equal keys keep theirs.
    public static func sorting<Key: Comparable>(_ keys: [Key]) -> Permutation {
        Permutation(trusted: keys.indices.sorted { (keys[$0], $0) < (keys[$1], $1) })
    }

    public static func random(_ count: Int, using generator: inout SeededGenerator) -> Permutation {
        Permutation(trusted: (0..<count).shuffled(using: &generator))
    }

    public var count: Int { indices.count }

    /// Entry i is where i came to.
    public var inverse: Permutation {
        var result = [Int](repeating: 0, count: count)
        for (place, index) in indices.enumerated() { result[index] = place }
        return Permutation(trusted: result)
    }

    /// The smallest unsigned type that holds every index.
    static func elementType(_ count: Int) -> ElementType { count <= 1 << 16 ? .u16 : .u32 }

    /// Bytes of a stored permutation.
    public static func storedBytes(_ count: Int) -> Int { count * elementType(count).byteCount }

    /// [count], u16 or u32.
    var tensor: Tensor {
        get throws {
            try Tensor(indices: indices, below: count)
        }
    }

    /// y[i] = x[indices[i]] for every row.
    func gather(_ x: MatrixView, into y: MutableMatrixView) {
        for row in 0..<x.rows { gather(x.row(row), into: y.row(row)) }
    }

    func gather(_ source: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>) {
        indices.withUnsafeBufferPointer { indices in
            for place in indices.indices { target[place] = source[indices[place]] }
        }
    }

    /// y[indices[i]] = x[i] for every row.
    func scatter(_ x: MatrixView, into y: MutableMatrixView) {
        indices.withUnsafeBufferPointer { indices in
            for row in 0..<x.rows {
                let (source, target) = (x.row(row), y.row(row))
                for place in indices.indices { target[indices[place]] = source[place] }
            }
        }
    }
}

extension TensorLookup {
    /// A permutation of `count` numbers.
    /// - Throws: `StructuredMatrixError` as `tensor`; `.invalidContent` when it is none.
    func permutation(_ name: String, count: Int) throws -> Permutation {
        let indices = try storedIndices(name, count: count, below: count)
        guard let permutation = Permutation(indices) else {
            throw invalid(name, "expected every number below \(count) once")
        }
        return permutation
    }
}
