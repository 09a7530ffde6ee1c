import Tensors

/// The keys and values of the tokens a causal model has seen in one sequence, f32.
///
/// A value: a copy goes its own way. Memory: 2 layers width numbers per token (up to twice that while growing), where
/// width is key-value heads x head dimension.
public struct KeyValueCache: Sendable {
    /// Tokens seen so far.
    public private(set) var count = 0
    private let layers: Int
    private let width: Int
    private var storage: Storage

    init(layers: Int, width: Int) {
        self.layers = layers
        self.width = width
        storage = Storage(rows: 0, planes: 0, width: 0)
    }

    /// Makes room for `tokens` more, in memory that belongs to this value alone.
    mutating func reserve(_ tokens: Int) {
        let needed = count + tokens
        if storage.rows >= needed, isKnownUniquelyReferenced(&storage) { return }
        let grown = Storage(
            rows: needed <= storage.rows ? storage.rows : max(needed, 2 * storage.rows), planes: 2 * layers,
            width: width)
        for plane in 0..<2 * layers where count > 0 {
            grown.plane(plane).update(from: storage.plane(plane), count: count * width)
        }
        storage = grown
    }

    /// Writes a layer's keys and values (tokens x width each) behind those of the tokens seen so far.
    /// - Precondition: `reserve` made room for them.
    func write(keys: MatrixView, values: MatrixView, layer: Int) {
        for (plane, rows) in [(2 * layer, keys), (2 * layer + 1, values)] {
            for row in 0..<rows.rows {
                (storage.plane(plane) + (count + row) * width).update(from: rows.row(row), count: width)
            }
        }
    }

    /// A layer's keys and values of the tokens seen so far and `tokens` more. Valid while this value lives unchanged.
    func views(layer: Int, including tokens: Int) -> (keys: MatrixView, values: MatrixView) {
        let view = {
            MatrixView(base: UnsafePointer(storage.plane($0)), rows: count + tokens, columns: width)
        }
        return (view(2 * layer), view(2 * layer + 1))
    }

    /// Counts what every layer has written as seen.
    mutating func advance(by tokens: Int) { count += tokens }

    /// 2 layers planes of rows x width numbers. Shared between copies of a cache until one of them grows.
    private final class Storage: @unchecked Sendable {
        let rows: Int
        private let width: Int
        private let base: UnsafeMutablePointer<Float>

        init(rows: Int, planes: Int, width: Int) {
            self.rows = rows
            self.width = width
            base = .allocate(capacity: max(1, rows * planes * width))
        }

        deinit { base.deallocate() }

        func plane(_ plane: Int) -> UnsafeMutablePointer<Float> { base + plane * rows * width }
    }
}
