extension BytePairModel {
    /// Applies the merge of lowest rank, leftmost first, until none applies. A heap holds the pairs that could merge; an entry
    /// whose pair has changed since is known by its rank and dropped.
    func merge(_ symbols: inout [Int]) {
        let count = symbols.count
        var next = Array(1...count)
        var previous = Array(-1..<(count - 1))
        var removed = Array(repeating: false, count: count)
        var queue = MergeQueue()

        func merge(at position: Int) -> Merge? {
            let right = next[position]
            return right < count ? merges[Pair(left: symbols[position], right: symbols[right])] : nil
        }
        for position in 0..<(count - 1) {
            if let merge = merge(at: position) { queue.push(MergeQueue.Entry(rank: merge.rank, position: position)) }
        }
        guard !queue.isEmpty else { return }

        while let entry = queue.pop() {
            let position = entry.position
            guard !removed[position], let found = merge(at: position), found.rank == entry.rank else { continue }
            let right = next[position]
            symbols[position] = found.id
            removed[right] = true
            next[position] = next[right]
            if next[right] < count { previous[next[right]] = position }
            if let merge = merge(at: position) { queue.push(MergeQueue.Entry(rank: merge.rank, position: position)) }
            let left = previous[position]
            if left >= 0, let merge = merge(at: left) { queue.push(MergeQueue.Entry(rank: merge.rank, position: left)) }
        }
        symbols = symbols.indices.compactMap { removed[$0] ? nil : symbols[$0] }
    }
}

/// A binary heap: lowest rank first, then the leftmost.
private struct MergeQueue {
    struct Entry: Comparable {
        let rank: Int
        let position: Int

        static func < (left: Entry, right: Entry) -> Bool {
            left.rank != right.rank ? left.rank < right.rank : left.position < right.position
        }
    }

    private var entries: [Entry] = []

    var isEmpty: Bool { entries.isEmpty }

    mutating func push(_ entry: Entry) {
        entries.append(entry)
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child] < entries[parent] else { break }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> Entry? {
        guard let first = entries.first else { return nil }
        let last = entries.removeLast()
        if entries.isEmpty { return first }
        entries[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= entries.count { return first }
            if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
            guard entries[child] < entries[parent] else { return first }
            entries.swapAt(child, parent)
            parent = child
        }
    }
}
