/// The `post_processor` of a tokenizer file, for single texts: ids before and after the content.
struct PostProcessor: Sendable {
    var prefix: [Int] = []
    var suffix: [Int] = []

    var addedCount: Int { prefix.count + suffix.count }

    func apply(to content: some Collection<Int>) -> [Int] { prefix + content + suffix }
}
