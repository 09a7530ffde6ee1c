import Communication
import Tensors

/// A loop whose pieces are dealt out to the ranks, and on every rank to its threads.
struct SharedWork: Sendable {
    let communicator: any Communicator
    let context: ExecutionContext

    /// What `body` returns for every index, on every rank.
    /// - Parameters:
    ///   - owner: a number for each piece, the same on every rank; it is rank `owner % ranks` that does the piece.
    ///   - isKnown: whether the piece needs no work here; those that rank 0 knows it does itself.
    ///   - encode: a result as bytes for the other ranks; `decode` makes the same result of them there.
    /// - Throws: what `body` throws here, or `CommunicationError.otherRank`: every rank ends.
    func map<Output: Sendable>(
        _ count: Int, owner: (Int) -> Int, isKnown: (Int) -> Bool, progress: LoopProgress,
        _ body: @Sendable (Int) throws -> Output, encode: (Int, Output) throws -> [UInt8],
        decode: (Int, [UInt8]) throws -> Output
    ) throws -> [Output] {
        guard !communicator.isAlone else { return try context.parallelMap(count, progress: progress, body) }
        let known = try communicator.broadcast((0..<count).map { isKnown($0) ? 1 : 0 }, from: 0)
        let owners = (0..<count).map { known[$0] == 1 ? 0 : owner($0) % communicator.count }
        let own = owners.indices.filter { owners[$0] == communicator.rank }
        let made = try communicator.together {
            try context.parallelMap(own.count, progress: progress) { try body(own[$0]) }
        }
        var results: [Output] = []
        var failure: (any Error)?
        var next = made[...]
        for index in 0..<count {
            let mine = owners[index] == communicator.rank ? next.popFirst() : nil
            // A rank that fails goes on taking part, so that no other waits for it.
            let given = Result { try mine.map { try encode(index, $0) } ?? [] }
            let bytes = try communicator.broadcast((try? given.get()) ?? [], from: owners[index])
            do {
                _ = try given.get()
                if failure == nil { results.append(try mine ?? decode(index, bytes)) }
            } catch { failure = failure ?? error }
        }
        try communicator.together { if let failure { throw failure } }
        return results
    }
}
