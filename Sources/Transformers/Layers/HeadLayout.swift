import Tensors

/// Where the features of each key-value head lie in a row: one head after the other, alike or each of its own width.
struct HeadLayout: Sendable, Hashable {
    private let heads: Int
    private let width: Int
    /// Where each head begins, and the end; empty where all are alike.
    private let starts: [Int]

    /// - Parameter widths: of each head; nil where all have `width` features.
    init(heads: Int, width: Int, widths: [Int]? = nil) {
        self.heads = heads
        self.width = width
        starts = widths.map { widths in widths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) } } ?? []
    }

    /// Features of all heads.
    var features: Int { starts.last ?? heads * width }
    /// Of the widest head, or more.
    var largest: Int { width }

    subscript(head: Int) -> Range<Int> {
        starts.isEmpty ? head * width..<(head + 1) * width : starts[head]..<starts[head + 1]
    }
}

/// Directions in which the keys of a block's heads are kept, and queries meet them (MatryoshkaKV, arXiv 2410.14731): of each
/// key head the first of an orthogonal basis, with the mean of the keys taken off, which changes no softmax.
struct KeyBasis: Sendable {
    /// All heads' directions one below the other, each with as many numbers as an uncut key has.
    var directions: [Float]
    /// What is added to a key's coordinates: minus those of the mean.
    var offset: [Float]

    /// Writes the coordinates of `rows` vectors of one head over them: they stay as far apart as they were.
    func apply(
        _ vectors: UnsafeMutablePointer<Float>, rows: Int, width: Int, _ ranks: Range<Int>, addingOffset: Bool
    ) {
        let count = ranks.count
        withUnsafeTemporaryAllocation(of: Float.self, capacity: rows * count) { result in
            guard let result = result.baseAddress else { return }
            directions.withUnsafeBufferPointer { directions in
                guard let base = directions.baseAddress else { return }
                Kernels.best.product(
                    vectors, width, base + ranks.lowerBound * width, width, result, count, rows, count, width, false)
            }
            for row in 0..<rows { (vectors + row * width).update(from: result + row * count, count: count) }
        }
        guard addingOffset else { return }
        offset.withUnsafeBufferPointer { offset in
            guard let base = offset.baseAddress else { return }
            for row in 0..<rows { Kernels.best.add(vectors + row * width, base + ranks.lowerBound, count) }
        }
    }
}
