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

    /// A run over consecutive parts of sequences.
    struct Step {
        /// Which sequences, and what of each.
        var parts: [(sequence: Int, tokens: Range<Int>)] = []
        var count = 0
    }

    /// Cuts sequences, in their order, into steps of at most `maximumTokens` tokens; long sequences go on in the next step.
    static func steps(_ sequences: [[Int]], maximumTokens: Int) -> [Step] {
        var steps: [Step] = []
        var step = Step()
        for (index, sequence) in sequences.enumerated() {
            var first = 0
            while first < sequence.count {
                let last = min(sequence.count, first + maximumTokens - step.count)
                step.parts.append((index, first..<last))
                step.count += last - first
                first = last
                if step.count == maximumTokens {
                    steps.append(step)
                    step = Step()
                }
            }
        }
        if step.count > 0 { steps.append(step) }
        return steps
    }

    /// Deals sequences out to `count` bins whose computing time is alike, longest first; each bin's in ascending order.
    /// - Parameter width: a token costs as much as attending to this many tokens, besides those it attends to.
    static func balanced(_ sequences: [[Int]], bins count: Int, width: Int) -> [[Int]] {
        var bins = [[Int]](repeating: [], count: count)
        var costs = [Int](repeating: 0, count: count)
        let order = sequences.indices.sorted { (sequences[$1].count, $0) < (sequences[$0].count, $1) }
        for index in order {
            let bin = costs.indices.min { costs[$0] < costs[$1] } ?? 0
            bins[bin].append(index)
            costs[bin] += sequences[index].count * (width + sequences[index].count)
        }
        return bins.map { $0.sorted() }
    }
}
