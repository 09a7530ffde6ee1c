import Foundation

/// The processes that one `mpirun` started.
public struct MPICommunicator: Communicator {
    /// What Open MPI's launcher sets for every process.
    private static let (countVariable, rankVariable) = ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK")

    private let library: MPILibrary

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

    /// The last call, on every rank.
    public func end() { library.end() }

    public func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8] {
        var length = UInt64(bytes.count)
        try withUnsafeMutableBytes(of: &length) { try library.broadcast($0, from: root) }
        var result = rank == root ? bytes : [UInt8](repeating: 0, count: Int(length))
        try result.withUnsafeMutableBytes { try library.broadcast($0, from: root) }
        return result
    }

    public func send(_ bytes: [UInt8], to rank: Int) throws {
        let length = UInt64(bytes.count)
        try withUnsafeBytes(of: length) { try library.send($0, to: rank) }
        try bytes.withUnsafeBytes { try library.send($0, to: rank) }
    }

    public func receive(from rank: Int) throws -> [UInt8] {
        var length: UInt64 = 0
        try withUnsafeMutableBytes(of: &length) { try library.receive($0, from: rank) }
        var bytes = [UInt8](repeating: 0, count: Int(length))
        try bytes.withUnsafeMutableBytes { try library.receive($0, from: rank) }
        return bytes
    }
}
