/// Token sequences laid end to end, so that linear layers run over all their tokens at once and nothing is padding.
struct SequenceBatch: Sendable {
    /// All tokens, sequence after sequence.
    let tokens: [Int]
    /// The rows of each sequence.
    let spans: [Range<Int>]

    init<Sequences: Collection>(_ sequences: Sequences) where Sequences.Element == [Int] {
        var tokens: [Int] = []
        var spans: [Range<Int>] = []
        for sequence in sequences {
            spans.append(tokens.count..<tokens.count + sequence.count)
            tokens += sequence
        }
        self.tokens = tokens
        self.spans = spans
    }

    /// Cuts sequences, in their order, into runs of at most `maximumTokens` tokens (a longer sequence is a run by itself).
    static func runs(_ sequences: [[Int]], maximumTokens: Int) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        var (first, count) = (0, 0)
        for (index, sequence) in sequences.enumerated() {
            if index > first, count + sequence.count > maximumTokens {
                runs.append(first..<index)
                (first, count) = (index, 0)
            }
            count += sequence.count
        }
        if first < sequences.count { runs.append(first..<sequences.count) }
        return runs
    }
}
