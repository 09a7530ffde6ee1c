import Tensors

/// The memory that experts need in a pass.
struct ExpertMemory {
    /// tokens x experts: one, or one for each member (`TokenShare`).
    let scores: [MutableMatrixView]
    /// pairs x width: what a pair of a token and one of its experts reads, and what it gives.
    let inputs: MutableMatrixView
    let outputs: MutableMatrixView

    /// What the blocks of a network need most of.
    struct Sizes {
        var experts = 0
        var active = 0

        mutating func include(_ experts: RoutedExperts) {
            self.experts = max(self.experts, experts.sizes.count)
            active = max(active, experts.sizes.active)
        }

        func floats(tokens: Int, width: Int, copies: Int) -> Int { tokens * (copies * experts + 2 * active * width) }
        func views(copies: Int) -> Int { copies + 2 }
    }

    init(_ sizes: Sizes, tokens: Int, width: Int, copies: Int, from arena: inout ActivationArena) {
        scores = (0..<copies).map { _ in arena.take(rows: tokens, columns: sizes.experts) }
        inputs = arena.take(rows: tokens * sizes.active, columns: width)
        outputs = arena.take(rows: tokens * sizes.active, columns: width)
    }
}
