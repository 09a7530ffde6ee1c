import Tensors

/// The keys and values of the tokens a causal model has seen in one sequence.
///
/// A value: a copy goes its own way. Memory: 2 layers width numbers of the precision per token (up to twice that while
/// growing), where width is key-value heads x head dimension.
public struct KeyValueCache: Sendable {
    /// Tokens seen so far.
    public private(set) var count = 0
    public let precision: CachePrecision
    private let layers: Int
    private let heads: Int
    private let headDimension: Int
    private var storage: Storage

    init(layers: Int, heads: Int, headDimension: Int, precision: CachePrecision) {
        self.layers = layers
        self.heads = heads
        self.headDimension = headDimension
        self.precision = precision
        storage = Storage(tokens: 0, planes: 0, tokenBytes: 0, scaleBytes: 0)
    }

    /// A cache of nothing, to stand where another was taken from.
    static let none = KeyValueCache(layers: 0, heads: 0, headDimension: 0, precision: .f32)

    private var width: Int { heads * headDimension }
    private var tokenBytes: Int {
        switch precision {
        case .f32: 4 * width
        case .f16: 2 * width
        case .int8: width
        }
    }
    private var scaleBytes: Int { precision == .int8 ? 2 * heads : 0 }

    /// Bytes that the tokens seen so far take.
    public var byteCount: Int { 2 * layers * count * (tokenBytes + scaleBytes) }

    /// Makes room for `tokens` more, in memory that belongs to this value alone.
    mutating func reserve(_ tokens: Int) {
        let needed = count + tokens
        if storage.tokens >= needed, isKnownUniquelyReferenced(&storage) { return }
        let grown = Storage(
            tokens: needed <= storage.tokens ? storage.tokens : max(needed, 2 * storage.tokens), planes: 2 * layers,
            tokenBytes: tokenBytes, scaleBytes: scaleBytes)
        for plane in 0..<2 * layers where count > 0 {
            grown.codes(plane).copyMemory(from: storage.codes(plane), byteCount: count * tokenBytes)
            grown.scales(plane).copyMemory(from: storage.scales(plane), byteCount: count * scaleBytes)
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
        for (plane, row) in [(2 * layer, key), (2 * layer + 1, value)] {
            let place = storage.codes(plane) + token * tokenBytes
            switch precision {
            case .f32:
                place.assumingMemoryBound(to: Float.self).advanced(by: head * headDimension)
                    .update(from: row, count: headDimension)
            case .f16:
                Kernels.best.floatToHalf(
                    row, place.assumingMemoryBound(to: UInt16.self) + head * headDimension, headDimension)
            case .int8:
                let scales = storage.scales(plane).assumingMemoryBound(to: UInt16.self)
                quantize(
                    row, place.assumingMemoryBound(to: UInt8.self) + head * headDimension,
                    scales + token * heads + head)
            }
        }
    }

    /// The nearest of 255 multiples of a scale, which takes the largest number to the last of them.
    private func quantize(
        _ row: UnsafePointer<Float>, _ codes: UnsafeMutablePointer<UInt8>, _ pattern: UnsafeMutablePointer<UInt16>
    ) {
        var largest: Float = 0
        for index in 0..<headDimension { largest = max(largest, abs(row[index])) }
        var scale = min(largest / 127, 65504)
        Kernels.best.floatToHalf(&scale, pattern, 1)
        Kernels.best.halfToFloat(pattern, &scale, 1)
        let inverse = scale > 0 ? 1 / scale : 0
        for index in 0..<headDimension {
            // What is no number cannot be kept; 0 does least harm.
            let multiple = row[index].isFinite ? (row[index] * inverse).rounded() : 0
            codes[index] = UInt8(Int(max(-127, min(127, multiple))) + 128)
        }
    }

    /// A layer's keys and values of all tokens seen or written. Valid while this value lives unchanged.
    func features(layer: Int) -> (keys: TokenFeatures, values: TokenFeatures) {
        (features(plane: 2 * layer), features(plane: 2 * layer + 1))
    }

    private func features(plane: Int) -> TokenFeatures {
        let place = UnsafeRawPointer(storage.codes(plane))
        switch precision {
        case .f32:
            return .floats(
                MatrixView(base: place.assumingMemoryBound(to: Float.self), rows: storage.tokens, columns: width))
        case .f16:
            return .halves(place.assumingMemoryBound(to: UInt16.self), width: width)
        case .int8:
            return .codes(
                place.assumingMemoryBound(to: UInt8.self), width: width,
                scales: UnsafePointer(storage.scales(plane).assumingMemoryBound(to: UInt16.self)), heads: heads)
        }
    }

    /// Counts what every layer has written as seen.
    mutating func advance(by tokens: Int) { count += tokens }

    /// For each layer's keys and values a plane: numbers token after token, then their scales.
    /// Shared between copies of a cache until one of them grows.
    private final class Storage: @unchecked Sendable {
        let tokens: Int
        private let scalesAt: Int
        private let planeBytes: Int
        private let base: UnsafeMutableRawPointer

        init(tokens: Int, planes: Int, tokenBytes: Int, scaleBytes: Int) {
            self.tokens = tokens
            scalesAt = (tokens * tokenBytes + 63) / 64 * 64
            planeBytes = (scalesAt + tokens * scaleBytes + 63) / 64 * 64
            base = .allocateAligned(byteCount: planes * planeBytes)
        }

        deinit { base.deallocate() }

        func codes(_ plane: Int) -> UnsafeMutableRawPointer { base + plane * planeBytes }
        func scales(_ plane: Int) -> UnsafeMutableRawPointer { base + plane * planeBytes + scalesAt }
    }
}
