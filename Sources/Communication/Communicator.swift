/// Processes that work on one thing together, each with a number: ranks 0 to `count` - 1.
///
/// Every rank makes the same calls in the same order; a call returns when the ranks it needs have made theirs. What ranks
/// exchange is bytes, so that the results do not depend on how many there are. Calls come from one thread at a time.
public protocol Communicator: Sendable {
    var rank: Int { get }
    var count: Int { get }

    /// Fills every rank's bytes with those of rank `root`; all give as many.
    /// - Throws: `CommunicationError.failed`.
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws

    /// Returns when rank `rank` has received the bytes, or sooner.
    /// - Throws: as above.
    func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) throws

    /// Fills the bytes with those that rank `rank` sends with its next `send` to this one, as many.
    /// - Throws: as above.
    func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int) throws

    /// Told when all ranks are about to throw, so that none waits for another.
    func allFail()
}

extension Communicator {
    public var isAlone: Bool { count == 1 }
    /// Whether this rank is the one that prints and writes.
    public var isFirst: Bool { rank == 0 }

    /// What rank `root` gives, on every rank; the others' bytes are ignored.
    /// - Throws: as above.
    public func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8] {
        guard !isAlone else { return bytes }
        var length = UInt64(bytes.count)
        try withUnsafeMutableBytes(of: &length) { try broadcast($0, from: root) }
        var result = rank == root ? bytes : [UInt8](repeating: 0, count: Int(length))
        try result.withUnsafeMutableBytes { try broadcast($0, from: root) }
        return result
    }

    /// What every rank gives, by rank, on every rank.
    /// - Throws: `CommunicationError.failed`.
    public func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
        try (0..<count).map { try broadcast(bytes, from: $0) }
    }

    /// Runs `body` on every rank and returns when all have: a failure of one ends all.
    /// - Throws: what `body` throws here, else `CommunicationError.otherRank` for the first rank where it failed.
    public func together<Value>(_ body: () throws -> Value) throws -> Value {
        let result = Result { try body() }
        guard !isAlone else { return try result.get() }
        var message: [UInt8] = []
        if case .failure(let error) = result { message = [1] + Array("\(error)".utf8) }
        let messages = try gather(message)
        if messages.contains(where: { !$0.isEmpty }) { allFail() }
        let value = try result.get()
        if let failed = messages.firstIndex(where: { !$0.isEmpty }) {
            throw CommunicationError.otherRank(
                failed, message: String(decoding: messages[failed].dropFirst(), as: UTF8.self))
        }
        return value
    }
}

/// One process by itself.
public struct LocalCommunicator: Communicator {
    public init() {}

    public var rank: Int { 0 }
    public var count: Int { 1 }

    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {}
    public func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) throws { throw CommunicationError.noSuchRank(rank) }
    public func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int) throws {
        throw CommunicationError.noSuchRank(rank)
    }
    public func allFail() {}
}
