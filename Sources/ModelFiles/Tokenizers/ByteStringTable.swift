/// Distinct byte strings, numbered in the order they were added: the bytes in one array, found by open addressing.
///
/// A vocabulary of 100 000 pieces is two flat arrays instead of as many `String`s, and a look-up needs no copy of the bytes.
struct ByteStringTable: Sendable {
    private var arena: [UInt8] = []
    private var ends: [Int] = []
    private var slots: [Int32]

    init(minimumCapacity: Int = 0) {
        var size = 16
        while size < 2 * minimumCapacity { size *= 2 }
        slots = Array(repeating: -1, count: size)
    }

    var count: Int { ends.count }

    /// The bytes with that number.
    subscript(number: Int) -> ArraySlice<UInt8> {
        arena[(number == 0 ? 0 : ends[number - 1])..<ends[number]]
    }

    func number(of bytes: UnsafeRawBufferPointer) -> Int? {
        let found = slots[slot(for: bytes)]
        return found < 0 ? nil : Int(found)
    }

    func number(of bytes: ArraySlice<UInt8>) -> Int? { bytes.withUnsafeBytes { number(of: $0) } }
    func number(of bytes: [UInt8]) -> Int? { bytes.withUnsafeBytes { number(of: $0) } }

    /// Adds the bytes; false when they were there. Either way the number they have.
    mutating func insert(_ bytes: UnsafeRawBufferPointer) -> (inserted: Bool, number: Int) {
        if 2 * (count + 1) > slots.count { grow() }
        let slot = slot(for: bytes)
        if slots[slot] >= 0 { return (false, Int(slots[slot])) }
        slots[slot] = Int32(truncatingIfNeeded: count)
        arena.append(contentsOf: bytes)
        ends.append(arena.count)
        return (true, count - 1)
    }

    /// The slot that holds the bytes, or the free one where they belong.
    private func slot(for bytes: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: bytes)
        let mask = slots.count - 1
        var slot = hasher.finalize() & mask
        while slots[slot] >= 0, !self[Int(slots[slot])].elementsEqual(bytes) { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func grow() {
        slots = Array(repeating: -1, count: slots.count * 2)
        for number in 0..<count {
            let slot = self[number].withUnsafeBytes { self.slot(for: $0) }
            slots[slot] = Int32(truncatingIfNeeded: number)
        }
    }
}
