/// Tokens and their ids, both ways. Ids need not be dense, so nothing is sized by the largest of them.
struct Vocabulary: Sendable {
    private var tokens: ByteStringTable
    private var ids: [Int] = []
    private var numbers: [Int: Int] = [:]
    /// Bytes of the longest token.
    private(set) var longestToken = 0

    init(minimumCapacity: Int = 0) {
        tokens = ByteStringTable(minimumCapacity: minimumCapacity)
        ids.reserveCapacity(minimumCapacity)
        numbers.reserveCapacity(minimumCapacity)
    }

    var count: Int { ids.count }

    func id(of token: UnsafeRawBufferPointer) -> Int? { tokens.number(of: token).map { ids[$0] } }
    func id(of token: [UInt8]) -> Int? { token.withUnsafeBytes { id(of: $0) } }
    func id(of token: ArraySlice<UInt8>) -> Int? { token.withUnsafeBytes { id(of: $0) } }

    func token(_ id: Int) -> ArraySlice<UInt8>? { numbers[id].map { tokens[$0] } }

    /// False, and no change, when the token or the id is taken.
    mutating func insert(_ token: [UInt8], id: Int) -> Bool {
        guard numbers[id] == nil else { return false }
        let (inserted, number) = token.withUnsafeBytes { tokens.insert($0) }
        guard inserted else { return false }
        ids.append(id)
        numbers[id] = number
        longestToken = max(longestToken, token.count)
        return true
    }
}
