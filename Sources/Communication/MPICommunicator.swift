import Foundation
import Synchronization

/// The processes that one `mpirun` started.
public struct MPICommunicator: Communicator {
    /// What Open MPI's launcher sets for every process.
    private static let (countVariable, rankVariable) = ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK")

    private let library: MPILibrary
    private let failure = Failure()

    /// Whether all ranks were about to throw.
    private final class Failure: Sendable {
        let isShared = Mutex(false)
    }

    /// Whether this process was started by Open MPI's `mpirun`.
    public static var isAskedFor: Bool { ProcessInfo.processInfo.environment[countVariable] != nil }

    /// Whether this process is rank 0, or alone: the one that prints. Known before anything is loaded.
    public static var isFirst: Bool {
        ProcessInfo.processInfo.environment[rankVariable].map { Int($0) == 0 } ?? true
    }

    /// Loads MPI and begins. Once in a process; `end()` ends.
    /// - Throws: `CommunicationError.libraryMissing`, `.otherLibrary`, `.failed`.
    public init() throws { library = try MPILibrary() }

    public var rank: Int { library.rank }
    public var count: Int { library.count }

    /// The last call. After an error that only this rank may have met, the others cannot be reached: then `report` is
    /// called and all ranks are ended at once. Rank 0 goes first, so that of one error met by all there is one report.
    public func end(after error: (any Error)?, report: (any Error) -> Void) {
        guard let error, !failure.isShared.withLock({ $0 }) else { return library.end() }
        if rank > 0 { Thread.sleep(forTimeInterval: 2) }
        report(rank > 0 ? CommunicationError.otherRank(rank, message: "\(error)") : error)
        library.abort(status: 1)
    }

    public func allFail() { failure.isShared.withLock { $0 = true } }

    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
        try library.broadcast(bytes, from: root)
    }

    public func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) throws { try library.send(bytes, to: rank) }

    public func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int) throws {
        try library.receive(bytes, from: rank)
    }
}
