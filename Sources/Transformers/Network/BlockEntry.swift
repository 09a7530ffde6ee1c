import Tensors

/// Where a run of a network begins behind its first blocks, which were run before: models that differ in one block alone need
/// not run those before it again. What a run gives is the same bits as of a run from the tokens.
package struct BlockEntry: Sendable {
    /// The first block to run.
    package let block: Int
    /// What it reads, tokens x width of the stream there, sequence after sequence.
    package let states: Matrix

    package init(block: Int, states: Matrix) {
        self.block = block
        self.states = states
    }

    /// That of some of the sequences, in the order given.
    package func selecting(_ chosen: [Int], of sequences: [[Int]]) -> BlockEntry {
        var starts: [Int] = []
        var tokens = 0
        for sequence in sequences {
            starts.append(tokens)
            tokens += sequence.count
        }
        var elements: [Float] = []
        elements.reserveCapacity(chosen.reduce(0) { $0 + sequences[$1].count } * states.columns)
        for index in chosen {
            elements += states.elements[
                starts[index] * states.columns..<(starts[index] + sequences[index].count) * states.columns]
        }
        return BlockEntry(
            block: block,
            states: Matrix(rows: elements.count / max(1, states.columns), columns: states.columns, elements: elements))
    }
}

extension NetworkModel {
    /// The block whose output a matrix is the first to change; nil for tables and for what stands outside of the blocks.
    package func block(of site: MatrixSite) -> Int? {
        guard case .block(let index, _)? = network.places.first(where: { $0.name == site.name })?.place else { return nil }
        return index
    }
}
