import Tensors

/// Which tokens of a batch each expert gets. Pairs of a token and one of its experts are sorted by expert, then by token.
struct Routing {
    /// The token of every pair.
    let tokens: [Int]
    /// Pairs of expert e are offsets[e] ..< offsets[e + 1].
    let offsets: [Int]
    /// The experts of every token, ascending, and where its pairs are: tokens x active.
    let experts: [Int]
    let pairs: [Int]
    let active: Int

    /// - Parameter scores: tokens x experts.
    init(_ scores: MatrixView, active: Int) {
        let (tokens, count) = (scores.rows, scores.columns)
        var experts = [Int](repeating: 0, count: tokens * active)
        var offsets = [Int](repeating: 0, count: count + 1)
        for token in 0..<tokens {
            let row = scores.row(token)
            var filled = 0
            for expert in 0..<count where Self.rank(of: expert, in: row, count: count) < active {
                experts[token * active + filled] = expert
                offsets[expert + 1] += 1
                filled += 1
            }
        }
        for expert in 0..<count { offsets[expert + 1] += offsets[expert] }
        var next = offsets
        var order = [Int](repeating: 0, count: tokens * active)
        var pairs = order
        for token in 0..<tokens {
            for place in token * active..<(token + 1) * active {
                let pair = next[experts[place]]
                next[experts[place]] += 1
                order[pair] = token
                pairs[place] = pair
            }
        }
        self.tokens = order
        self.offsets = offsets
        self.experts = experts
        self.pairs = pairs
        self.active = active
    }

    /// How many experts come before this one: those of larger scores, and of equal ones the first. Scores that are no numbers
    /// count as the least.
    static func rank(of expert: Int, in scores: UnsafePointer<Float>, count: Int) -> Int {
        func value(_ index: Int) -> Float { scores[index].isNaN ? -.infinity : scores[index] }
        let own = value(expert)
        var rank = 0
        for other in 0..<count where value(other) > own || (other < expert && value(other) == own) { rank += 1 }
        return rank
    }

    /// The experts of a token, ascending.
    func experts(of token: Int) -> ArraySlice<Int> { experts[token * active..<(token + 1) * active] }

    /// The pairs of a token, in the order of its experts.
    func pairs(of token: Int) -> ArraySlice<Int> { pairs[token * active..<(token + 1) * active] }
}
