/// What can go wrong between processes; every message is one line.
public enum CommunicationError: Error, Equatable, CustomStringConvertible {
    case libraryMissing(names: [String])
    case otherLibrary(name: String, missing: String)
    case failed(call: String, code: Int)
    case noSuchRank(Int)
    /// `message` is the error's own.
    case otherRank(Int, message: String)
    case ranksDiffer(rank: Int, what: [String])
    case notTogether(what: String)

    public var description: String {
        switch self {
        case .libraryMissing(let names):
            "MPI is asked for, and none of \(names.joined(separator: ", ")) can be loaded: "
                + "apt-get install openmpi-bin libopenmpi-dev"
        case .otherLibrary(let name, let missing):
            "\(name): expected Open MPI 4 or newer, '\(missing)' is not in it"
        case .failed(let call, let code):
            "\(call) between processes failed with code \(code)"
        case .noSuchRank(let rank):
            "there is no rank \(rank)"
        case .otherRank(let rank, let message):
            "rank \(rank): \(message)"
        case .ranksDiffer(let rank, let what):
            "rank \(rank) was started on something else: \(what.joined(separator: ", ")) differs from rank 0's"
        case .notTogether(let what):
            "\(what): run without mpirun"
        }
    }
}
