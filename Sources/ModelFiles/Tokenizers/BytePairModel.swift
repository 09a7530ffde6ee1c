/// Byte-pair encoding (Sennrich et al. 2016): the characters of a word, joined pair by pair in the order of the merge list.
struct BytePairModel: Sendable {
    struct Pair: Hashable, Sendable {
        let left: Int
        let right: Int
    }

    struct Merge: Sendable {
        let rank: Int
        let id: Int
    }

    let vocabulary: Vocabulary
    let merges: [Pair: Merge]
    let unknownID: Int?
    let fusesUnknown: Bool
    /// Tokens `<0x00>` ... `<0xFF>`, by byte, for characters that have no token; nil when the file does not ask for them.
    let byteTokens: [Int?]?
    /// A word that is a token is taken whole, whether or not the merges lead there.
    let ignoresMerges: Bool

    /// Cost: O(n log n) for a word of n characters.
    func encode(_ word: ArraySlice<UInt8>, into ids: inout [Int]) {
        if ignoresMerges, let id = vocabulary.id(of: word) {
            ids.append(id)
            return
        }
        var symbols = characterIDs(of: word)
        if symbols.count > 1 { merge(&symbols) }
        ids.append(contentsOf: symbols)
    }

    /// A character without a token gives its byte tokens, else the unknown token, else nothing.
    private func characterIDs(of word: ArraySlice<UInt8>) -> [Int] {
        var ids: [Int] = []
        ids.reserveCapacity(word.count)
        var lastIsUnknown = false
        var start = word.startIndex
        while start < word.endIndex {
            var end = start + 1
            while end < word.endIndex, word[end] & 0xC0 == 0x80 { end += 1 }
            let character = word[start..<end]
            start = end
            if let id = vocabulary.id(of: character) {
                ids.append(id)
                lastIsUnknown = false
            } else if let bytes = fallback(character) {
                ids.append(contentsOf: bytes)
                lastIsUnknown = false
            } else if let unknownID {
                if !(fusesUnknown && lastIsUnknown) { ids.append(unknownID) }
                lastIsUnknown = true
            }
        }
        return ids
    }

    private func fallback(_ character: ArraySlice<UInt8>) -> [Int]? {
        guard let byteTokens else { return nil }
        let ids = character.compactMap { byteTokens[Int($0)] }
        return ids.count == character.count ? ids : nil
    }
}
