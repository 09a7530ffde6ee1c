import Tensors

/// Memory that lasts as long as the value, aligned as prepared weights are.
final class AlignedMemory<Element: BitwiseCopyable>: @unchecked Sendable {
    let base: UnsafeMutablePointer<Element>
    let count: Int

    init(count: Int, filledWith element: Element) {
        let bytes = max(1, count) * MemoryLayout<Element>.stride
        base = UnsafeMutableRawPointer.allocateAligned(byteCount: bytes)
            .bindMemory(to: Element.self, capacity: max(1, count))
        base.initialize(repeating: element, count: max(1, count))
        self.count = count
    }

    deinit { base.deallocate() }
}

extension AlignedMemory<Float> {
    convenience init(_ matrix: Matrix) {
        self.init(count: matrix.elements.count, filledWith: 0)
        matrix.elements.withUnsafeBufferPointer { elements in
            if let source = elements.baseAddress { base.update(from: source, count: elements.count) }
        }
    }
}
