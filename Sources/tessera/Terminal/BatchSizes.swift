/// Texts or sentences that may be put together.
enum BatchSizes {
    static let largest = 4096
}
