import Foundation
import Tensors
import Transformers

/// A model's blocks run one after the other over batches of sequences; what the next block reads is kept.
///
/// The model is given at every step: blocks that the walk has not passed may change on the way. The same bits for any cut into
/// batches and any number of threads. Memory: the states of all tokens (4 tokens width bytes, in a file where they are many
/// and there is a folder for it), and what one batch needs.
struct BlockWalk: Sendable {
    let sequences: [[Int]]
    /// Sequences that go through a block together.
    let batches: [Range<Int>]
    let context: ExecutionContext
    private let states: SpilledStates
    /// The block that reads the states.
    private(set) var next = 0

    /// Before the first block of models of a width.
    /// - Parameter folder: where states are written if they are many; nil keeps them in memory.
    /// - Throws: `ModelFileError.notWritable`.
    init(
        _ sequences: [[Int]], batches: [Range<Int>], width: Int, folder: URL? = nil, context: ExecutionContext
    ) throws {
        self.sequences = sequences
        self.batches = batches
        self.context = context
        states = try SpilledStates(
            rows: batches.map { batch in sequences[batch].reduce(0) { $0 + $1.count } }, columns: width, folder: folder)
    }

    /// Runs the next block, and those behind it up to `end`, over one batch without passing them. In front of the first
    /// block the observer sees what comes before it too.
    /// - Returns: what the next block reads of the batch and what the last one gives, tokens x width.
    /// - Throws: `TransformersError`, `ModelFileError`.
    func run(
        _ batch: Int, to end: Int, of model: any NetworkModel, observer: ActivationObserver
    ) throws -> (before: Matrix, after: Matrix) {
        let before = try states(of: batch, in: model, observer: observer)
        return (before, try model.run(next..<end, on: before, of: own(batch), context: context, observer: observer))
    }

    /// Shows inputs of the next block for one batch, no further than the wanted ones need.
    /// - Returns: what the block reads of the batch, tokens x width.
    /// - Throws: as `run`.
    func observe(
        _ wanted: Set<String>, _ batch: Int, of model: any NetworkModel, observer: ActivationObserver
    ) throws -> Matrix {
        let before = try states(of: batch, in: model, observer: observer)
        try model.observe(next, on: before, of: own(batch), wanted: wanted, context: context, observer: observer)
        return before
    }

    /// What the next block reads of a batch, tokens x width. The observer sees what comes before the first block.
    /// - Throws: as `run`.
    func states(
        of batch: Int, in model: any NetworkModel, observer: ActivationObserver = { _, _ in }
    ) throws -> Matrix {
        try states.states(of: batch) ?? model.states(own(batch), context: context, observer: observer)
    }

    private func own(_ batch: Int) -> [[Int]] { Array(sequences[batches[batch]]) }

    /// Puts others in place of the states that were kept, batch by batch.
    /// - Throws: `ModelFileError`, and what `body` throws.
    mutating func replaceStates(_ body: (Matrix) throws -> Matrix) throws {
        for batch in batches.indices {
            if let kept = try states.states(of: batch) { try states.set(body(kept), of: batch) }
        }
    }

    /// Passes the next block, and those behind it up to `end`.
    /// - Parameter seen: called behind each batch, with what `run` returns.
    /// - Throws: as `run`, and what `seen` throws.
    mutating func pass(
        to end: Int, of model: any NetworkModel, observer: ActivationObserver = { _, _ in },
        seen: (_ batch: Int, _ before: Matrix, _ after: Matrix) throws -> Void = { _, _, _ in }
    ) throws {
        for batch in batches.indices {
            let (before, after) = try run(batch, to: end, of: model, observer: observer)
            try states.set(after, of: batch)
            try seen(batch, before, after)
        }
        next = end
    }
}
