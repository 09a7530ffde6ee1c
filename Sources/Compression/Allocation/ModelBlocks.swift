import Transformers

/// Which matrices make up a block of the model: those whose names agree up to the first number, "encoder.layer.0". Matrices
/// outside blocks are each one by itself.
package struct ModelBlocks: Sendable {
    /// Indices of the matrices of each block, in the model's order.
    package let members: [[Int]]
    /// How many of them are blocks of a stack: these come with a number.
    let names: [String?]

    package init(_ sites: [MatrixSite]) {
        var order: [String] = []
        var found: [String: [Int]] = [:]
        var numbered: Set<String> = []
        for (index, site) in sites.enumerated() {
            let parts = site.name.split(separator: ".")
            var name = site.name
            if let number = parts.firstIndex(where: { Int($0) != nil }) {
                name = parts[...number].joined(separator: ".")
                numbered.insert(name)
            }
            if found[name] == nil { order.append(name) }
            found[name, default: []].append(index)
        }
        members = order.map { found[$0] ?? [] }
        names = order.map { numbered.contains($0) ? $0 : nil }
    }

    /// For each matrix the mean of a number over the matrices of its block.
    package func means(_ numbers: [Double]) -> [Double] {
        var result = numbers
        for block in members {
            let mean = block.reduce(0) { $0 + numbers[$1] } / Double(max(1, block.count))
            for index in block { result[index] = mean }
        }
        return result
    }
}
