import Tensors

/// The keys and values of the tokens a causal model has seen in one sequence.
///
/// A value: a copy goes its own way. Memory: for each layer and token, key-value heads x (features of a key + features of a
/// value) numbers of the precision (up to twice that while growing).
public struct KeyValueCache: Sendable {
    /// Tokens seen so far.
    public private(set) var count = 0
    public let precision: CachePrecision
    private let layers: [Layer]
    private var storage: Storage

    /// What one layer keeps of a token.
    struct Layer: Sendable, Hashable {
        let heads: Int
        let keys: HeadLayout
        let values: HeadLayout
    }

    init(layers: [Layer], precision: CachePrecision) {
        self.layers = layers
        self.precision = precision
        storage = Storage(tokens: 0, planes: [])
    }

    /// A cache of nothing, to stand where another was taken from.
    static let none = KeyValueCache(layers: [], precision: .f32)

    /// What a layer's keys, and its values, take: keys of layer l are plane 2 l, values plane 2 l + 1.
    private var planes: [Plane] {
        layers.flatMap { layer in
            [layer.keys, layer.values].map { layout in
                Plane(
                    numberBytes: precision.numberBytes, layout: layout,
                    scales: precision == .int8 ? layer.heads : 0, heads: layer.heads)
            }
        }
    }

    private struct Plane: Sendable {
        let numberBytes: Int
        let layout: HeadLayout
        /// Of a token.
        let scales: Int
        let heads: Int

        var tokenBytes: Int { numberBytes * layout.features }
        var scaleBytes: Int { 2 * scales }
    }

    /// Bytes that the tokens seen so far take, and each of them.
    public var byteCount: Int { count * bytesPerToken }
    public var bytesPerToken: Int { planes.reduce(0) { $0 + $1.tokenBytes + $1.scaleBytes } }

    /// Makes room for `tokens` more, in memory that belongs to this value alone.
    mutating func reserve(_ tokens: Int) {
        let needed = count + tokens
        if storage.tokens >= needed, isKnownUniquelyReferenced(&storage) { return }
        let grown = Storage(
            tokens: needed <= storage.tokens ? storage.tokens : max(needed, 2 * storage.tokens), planes: planes)
        for (index, plane) in planes.enumerated() where count > 0 {
            for head in 0..<plane.heads {
                let features = plane.layout[head]
                func place(_ storage: Storage) -> UnsafeMutableRawPointer {
                    storage.codes(index) + plane.numberBytes * storage.tokens * features.lowerBound
                }
                place(grown).copyMemory(from: place(storage), byteCount: count * plane.numberBytes * features.count)
            }
            for head in 0..<plane.scales {
                (grown.scales(index) + 2 * head * grown.tokens).copyMemory(
                    from: storage.scales(index) + 2 * head * storage.tokens, byteCount: 2 * count)
            }
        }
        storage = grown
    }

    /// Keeps one head of the key and of the value of the token that is `offset` behind those seen so far. Different heads
    /// and tokens may be written from different threads at once.
    /// - Precondition: `reserve` made room for it.
    func write(
        key: UnsafePointer<Float>, value: UnsafePointer<Float>, layer: Int, offset: Int, head: Int
    ) {
        let token = count + offset
        write(key, layers[layer].keys, plane: 2 * layer, token: token, head: head)
        write(value, layers[layer].values, plane: 2 * layer + 1, token: token, head: head)
    }

    private func write(
        _ row: UnsafePointer<Float>, _ layout: HeadLayout, plane: Int, token: Int, head: Int
    ) {
        let width = layout[head].count
        let place = TokenFeatures.place(token, room: storage.tokens, feature: layout[head].lowerBound, width: width)
        let codes = storage.codes(plane)
        switch precision {
        case .f32:
            codes.assumingMemoryBound(to: Float.self).advanced(by: place).update(from: row, count: width)
        case .f16:
            Kernels.best.floatToHalf(row, codes.assumingMemoryBound(to: UInt16.self) + place, width)
        case .int8:
            let scales = storage.scales(plane).assumingMemoryBound(to: UInt16.self)
            quantize(row, width, codes.assumingMemoryBound(to: UInt8.self) + place, scales + head * storage.tokens + token)
        }
    }

    /// The nearest of 255 multiples of a scale, which takes the largest number to the last of them.
    private func quantize(
        _ row: UnsafePointer<Float>, _ width: Int, _ codes: UnsafeMutablePointer<UInt8>,
        _ pattern: UnsafeMutablePointer<UInt16>
    ) {
        var largest: Float = 0
        for index in 0..<width { largest = max(largest, abs(row[index])) }
        var scale = min(largest / 127, 65504)
        Kernels.best.floatToHalf(&scale, pattern, 1)
        Kernels.best.halfToFloat(pattern, &scale, 1)
        let inverse = scale > 0 ? 1 / scale : 0
        for index in 0..<width {
            // What is no number cannot be kept; 0 does least harm.
            let multiple = row[index].isFinite ? (row[index] * inverse).rounded() : 0
            codes[index] = UInt8(Int(max(-127, min(127, multiple))) + 128)
        }
    }

    /// A layer's keys and values of all tokens seen or written. Valid while this value lives unchanged.
    func features(layer: Int) -> (keys: TokenFeatures, values: TokenFeatures) {
        (features(plane: 2 * layer), features(plane: 2 * layer + 1))
    }

    /// What is kept of one head's keys and values in a layer, tokens seen x numbers, as floats.
    package func head(_ head: Int, layer: Int) -> (keys: Matrix, values: Matrix) {
        let (keys, values) = features(layer: layer)
        func copied(_ features: TokenFeatures, _ range: Range<Int>) -> Matrix {
            var decoded = Matrix(rows: count, columns: range.count)
            return decoded.withMutableView { Matrix(copying: features.lend(0..<count, head: head, range, into: $0.base)) }
        }
        return (copied(keys, layers[layer].keys[head]), copied(values, layers[layer].values[head]))
    }

    private func features(plane: Int) -> TokenFeatures {
        let (place, room) = (UnsafeRawPointer(storage.codes(plane)), storage.tokens)
        return switch precision {
        case .f32: .keptFloats(place.assumingMemoryBound(to: Float.self), room: room)
        case .f16: .halves(place.assumingMemoryBound(to: UInt16.self), room: room)
        case .int8:
            .codes(
                place.assumingMemoryBound(to: UInt8.self), room: room,
                scales: UnsafePointer(storage.scales(plane).assumingMemoryBound(to: UInt16.self)))
        }
    }

    /// Counts what every layer has written as seen.
    mutating func advance(by tokens: Int) { count += tokens }

    /// Forgets the tokens from this one on.
    /// - Precondition: there are as many.
    mutating func truncate(to tokens: Int) {
        precondition((0...count).contains(tokens))
        count = tokens
    }

    /// For each layer's keys and values a plane: numbers head after head, of each token after token, then their scales.
    /// Shared between copies of a cache until one of them grows.
    private final class Storage: @unchecked Sendable {
        let tokens: Int
        /// Where a plane's numbers begin, and its scales.
        private let places: [(codes: Int, scales: Int)]
        private let base: UnsafeMutableRawPointer

        init(tokens: Int, planes: [Plane]) {
            self.tokens = tokens
            var (places, end): ([(codes: Int, scales: Int)], Int) = ([], 0)
            for plane in planes {
                let scales = end + (tokens * plane.tokenBytes + 63) / 64 * 64
                places.append((end, scales))
                end = (scales + tokens * plane.scaleBytes + 63) / 64 * 64
            }
            self.places = places
            base = .allocateAligned(byteCount: end)
        }

        deinit { base.deallocate() }

        func codes(_ plane: Int) -> UnsafeMutableRawPointer { base + places[plane].codes }
        func scales(_ plane: Int) -> UnsafeMutableRawPointer { base + places[plane].scales }
    }
}
