/// WordPiece (Schuster and Nakajima 2012, as in BERT): the longest token that starts the word, then the longest continuation,
/// and so on; a word that cannot be covered, or is too long, is one unknown token.
struct WordPieceModel: Sendable {
    let vocabulary: Vocabulary
    let unknownID: Int
    let continuationPrefix: [UInt8]
    let longestWord: Int

    /// Cost: O(length x longest token) look-ups at worst.
    func encode(_ word: ArraySlice<UInt8>, into ids: inout [Int]) {
        if let id = vocabulary.id(of: word), scalarCount(word) <= longestWord {
            ids.append(id)
            return
        }
        guard scalarCount(word) <= longestWord else {
            ids.append(unknownID)
            return
        }
        // The prefix is written over the bytes before each continuation, so a candidate is a slice of this array.
        var buffer = continuationPrefix + word
        let firstByte = continuationPrefix.count
        let countBefore = ids.count
        var start = firstByte
        while start < buffer.count {
            let candidateStart = start == firstByte ? start : start - continuationPrefix.count
            if start > firstByte { buffer.replaceSubrange(candidateStart..<start, with: continuationPrefix) }
            var end = min(buffer.count, candidateStart + vocabulary.longestToken)
            var match: Int?
            while end > start {
                let onBoundary = end == buffer.count || buffer[end] & 0xC0 != 0x80
                if onBoundary, let id = vocabulary.id(of: buffer[candidateStart..<end]) {
                    match = id
                    break
                }
                end -= 1
            }
            guard let match else {
                ids.removeSubrange(countBefore...)
                ids.append(unknownID)
                return
            }
            ids.append(match)
            start = end
        }
    }

    private func scalarCount(_ word: ArraySlice<UInt8>) -> Int {
        if word.count <= longestWord { return word.count }
        return word.reduce(0) { $0 + ($1 & 0xC0 != 0x80 ? 1 : 0) }
    }
}
