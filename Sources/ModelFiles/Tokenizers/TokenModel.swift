/// The `model` of a tokenizer file: a word in, ids out.
enum TokenModel: Sendable {
    case wordPiece(WordPieceModel)
    case bytePair(BytePairModel)

    var vocabulary: Vocabulary {
        switch self {
        case .wordPiece(let model): model.vocabulary
        case .bytePair(let model): model.vocabulary
        }
    }

    func encode(_ word: ArraySlice<UInt8>, into ids: inout [Int]) {
        switch self {
        case .wordPiece(let model): model.encode(word, into: &ids)
        case .bytePair(let model): model.encode(word, into: &ids)
        }
    }
}

/// Ids of the words met while one text is encoded, so that each distinct word is split once.
struct WordCache {
    private var words = ByteStringTable()
    private var ids: [Int] = []
    private var ends: [Int] = []
    /// Longer words hardly repeat.
    private let longestWord = 256

    mutating func encode(_ word: ArraySlice<UInt8>, with model: TokenModel, into output: inout [Int]) {
        guard word.count <= longestWord else { return model.encode(word, into: &output) }
        let (isNew, number) = word.withUnsafeBytes { words.insert($0) }
        if isNew {
            model.encode(word, into: &ids)
            ends.append(ids.count)
        }
        output.append(contentsOf: ids[(number == 0 ? 0 : ends[number - 1])..<ends[number]])
    }
}
