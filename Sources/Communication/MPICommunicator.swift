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

    /// This process's rank as its launcher says, 0 if alone. Known before anything is loaded.
    public static var launchedRank: Int {
        ProcessInfo.processInfo.environment[rankVariable].flatMap { Int($0) } ?? 0
    }

    /// Whether this process is rank 0, or alone: the one that prints.
    public static var isFirst: Bool { launchedRank == 0 }

    /// Loads MPI and begins. Once in a process; `end()` ends.
    /// - Throws: `CommunicationError.libraryMissing`, `.otherLibrary`, `.failed`.
    public init() throws { library = try MPILibrary() }

    public var rank: Int { library.rank }
    public var count: Int { library.count }

    /// The last call. An error is reported once, and before any rank may exit: the launcher kills the others at the first
    /// exit that is not 0, and what they had not said yet is lost.
    ///
    /// An error that all ranks throw is reported by rank 0 while the others wait for it. After one that only this rank may
    /// have met, the others cannot be reached: it is reported and all ranks are ended at once, rank 0 first, so that of one
    /// error met by all without knowing there is one report.
    public func end(after error: (any Error)?, report: (any Error) -> Void) {
        guard let error else { return library.end() }
        if failure.isShared.withLock({ $0 }) {
            if rank == 0 { report(error) }
            // Reported already: where it fails, ending is all that is left.
            var reported: UInt8 = 1
            try? withUnsafeMutableBytes(of: &reported) { try broadcast($0, from: 0) }
            return library.end()
        }
        Self.giveWay()
        report(error)
        library.abort(status: 1)
    }

    /// Waits on ranks other than 0 before they report and exit, so that rank 0, which likely met the same, is first.
    public static func giveWay() {
        if !isFirst { Thread.sleep(forTimeInterval: 2) }
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
