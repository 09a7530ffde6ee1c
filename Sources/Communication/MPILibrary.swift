import Foundation

/// Open MPI, loaded when a program is run by its `mpirun`: nothing is linked.
///
/// `MPI_COMM_WORLD`, `MPI_BYTE` and the like are macros for addresses of variables of the library; an implementation that
/// has them as numbers (MPICH) lacks those variables and is refused.
final class MPILibrary: @unchecked Sendable {
    typealias Handle = UnsafeMutableRawPointer

    private typealias Initialise = @convention(c) (Handle?, Handle?, Int32, UnsafeMutablePointer<Int32>) -> Int32
    private typealias Finalise = @convention(c) () -> Int32
    private typealias Abort = @convention(c) (Handle, Int32) -> Int32
    private typealias Query = @convention(c) (Handle, UnsafeMutablePointer<Int32>) -> Int32
    private typealias Broadcast = @convention(c) (Handle?, Int32, Handle, Int32, Handle) -> Int32
    private typealias Send = @convention(c) (UnsafeRawPointer?, Int32, Handle, Int32, Int32, Handle) -> Int32
    private typealias Receive = @convention(c) (Handle?, Int32, Handle, Int32, Int32, Handle, Handle?) -> Int32

    static let names = ["libmpi.so.40", "libmpi.so.80", "libmpi.so"]
    /// MPI_THREAD_SERIALIZED: one thread at a time calls.
    private static let oneThreadAtATime: Int32 = 2
    /// Bytes of one call at most: MPI counts in 32 bits.
    private static let most = 1 << 30

    private let world, byte: Handle
    private let finalise: Finalise
    private let abortCall: Abort
    private let broadcastCall: Broadcast
    private let sendCall: Send
    private let receiveCall: Receive
    let rank: Int
    let count: Int

    /// Loads the library and begins; once in a process.
    /// - Throws: `CommunicationError`.
    init() throws {
        // Its parts find each other by name, so everything is loaded for all to see.
        guard let (name, library) = Self.names.lazy.compactMap({ name in
            dlopen(name, RTLD_NOW | RTLD_GLOBAL).map { (name, $0) }
        }).first else { throw CommunicationError.libraryMissing(names: Self.names) }
        func symbol(_ symbol: String) throws -> Handle {
            guard let found = dlsym(library, symbol) else {
                throw CommunicationError.otherLibrary(name: name, missing: symbol)
            }
            return found
        }
        world = try symbol("ompi_mpi_comm_world")
        byte = try symbol("ompi_mpi_byte")
        finalise = unsafeBitCast(try symbol("MPI_Finalize"), to: Finalise.self)
        abortCall = unsafeBitCast(try symbol("MPI_Abort"), to: Abort.self)
        broadcastCall = unsafeBitCast(try symbol("MPI_Bcast"), to: Broadcast.self)
        sendCall = unsafeBitCast(try symbol("MPI_Send"), to: Send.self)
        receiveCall = unsafeBitCast(try symbol("MPI_Recv"), to: Receive.self)
        let initialise = unsafeBitCast(try symbol("MPI_Init_thread"), to: Initialise.self)
        let (rankOf, sizeOf) = (
            unsafeBitCast(try symbol("MPI_Comm_rank"), to: Query.self),
            unsafeBitCast(try symbol("MPI_Comm_size"), to: Query.self)
        )
        var (provided, rank, size) = (Int32(0), Int32(0), Int32(1))
        try Self.check("MPI_Init_thread", initialise(nil, nil, Self.oneThreadAtATime, &provided))
        try Self.check("MPI_Comm_rank", rankOf(world, &rank))
        try Self.check("MPI_Comm_size", sizeOf(world, &size))
        (self.rank, count) = (Int(rank), Int(size))
    }

    /// Ends; no call may follow.
    func end() { _ = finalise() }

    /// Ends all ranks at once.
    func abort(status: Int32) { _ = abortCall(world, status) }

    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
        try forEachPart(bytes) { base, count in
            try Self.check("MPI_Bcast", broadcastCall(base, count, byte, Int32(root), world))
        }
    }

    func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) throws {
        try forEachPart(UnsafeMutableRawBufferPointer(mutating: bytes)) { base, count in
            try Self.check("MPI_Send", sendCall(base, count, byte, Int32(rank), 0, world))
        }
    }

    func receive(_ bytes: UnsafeMutableRawBufferPointer, from rank: Int) throws {
        try forEachPart(bytes) { base, count in
            try Self.check("MPI_Recv", receiveCall(base, count, byte, Int32(rank), 0, world, nil))
        }
    }

    private func forEachPart(
        _ bytes: UnsafeMutableRawBufferPointer, _ body: (Handle?, Int32) throws -> Void
    ) throws {
        for first in stride(from: 0, to: bytes.count, by: Self.most) {
            try body(bytes.baseAddress.map { $0 + first }, Int32(min(Self.most, bytes.count - first)))
        }
    }

    private static func check(_ call: String, _ code: Int32) throws {
        guard code == 0 else { throw CommunicationError.failed(call: call, code: Int(code)) }
    }
}
