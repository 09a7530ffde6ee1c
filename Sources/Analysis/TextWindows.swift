/// The pieces of a text that a causal model sees at a time.
enum TextWindows {
    /// Cuts tokens into consecutive windows; the last may be shorter, one with fewer than two tokens is dropped.
    static func cut(_ tokens: [Int], size: Int) -> [[Int]] {
        stride(from: 0, to: tokens.count, by: size)
            .map { Array(tokens[$0..<min($0 + size, tokens.count)]) }
            .filter { $0.count >= 2 }
    }
}
