import Tensors

/// The blocks of a transformer, from what enters the first to what the last (or the final norm) gives: exact derivatives of
/// any number made of that output by every weight.
///
/// In `Double` throughout, one sequence at a time: for scores of what may go, not for training. Memory for one sequence of T
/// tokens: T (10 width + 3 feed-forward width) + heads T^2 numbers for each block. Cost: three times a forward pass.
public struct DifferentiableTransformer: Sendable {
    public var blocks: [TransformerBlock]
    public var finalNorm: TokenNorm?

    public init(blocks: [TransformerBlock], finalNorm: TokenNorm? = nil) {
        self.blocks = blocks
        self.finalNorm = finalNorm
    }

    /// The output for one sequence, tokens x features.
    public func output(of stream: DoubleMatrix) -> DoubleMatrix {
        let last = blocks.reduce(stream) { $1.forward($0).output }
        return finalNorm.map { $0(last) } ?? last
    }

    /// The number's derivatives by all blocks' weights for one sequence.
    /// - Parameter objective: of the output: the number, and its derivatives by the output's entries.
    public func gradients(
        of stream: DoubleMatrix, objective: (DoubleMatrix) throws -> (value: Double, derivatives: DoubleMatrix)
    ) rethrows -> (value: Double, blocks: [TransformerBlock.Gradient]) {
        var traces: [TransformerBlock.Trace] = []
        var last = stream
        for block in blocks {
            let (output, trace) = block.forward(last)
            traces.append(trace)
            last = output
        }
        let (value, derivatives) = try objective(finalNorm.map { $0(last) } ?? last)
        var back = finalNorm.map { $0.backward(derivatives, inputs: last).inputs } ?? derivatives
        var gradients: [TransformerBlock.Gradient] = []
        for (block, trace) in zip(blocks, traces).reversed() {
            let (gradient, input) = block.backward(back, trace)
            gradients.append(gradient)
            back = input
        }
        return (value, gradients.reversed())
    }

    /// The sum over sequences: the same bits at any number of threads.
    ///
    /// - Parameter each: told every sequence's own gradients, in order (for squares).
    /// - Throws: what the objective throws.
    public func summedGradients(
        of streams: [DoubleMatrix], context: ExecutionContext,
        objective: @Sendable (_ index: Int, _ output: DoubleMatrix) throws -> (value: Double, derivatives: DoubleMatrix),
        each: ([TransformerBlock.Gradient]) -> Void = { _ in }
    ) throws -> (value: Double, blocks: [TransformerBlock.Gradient]) {
        var total: (value: Double, blocks: [TransformerBlock.Gradient]) = (0, [])
        // A fixed number at a time, whatever the threads: each holds gradients of the whole model.
        for start in stride(from: 0, to: streams.count, by: Self.sequencesAtATime) {
            let end = min(streams.count, start + Self.sequencesAtATime)
            let found = try context.parallelMap(end - start) { offset in
                try gradients(of: streams[start + offset]) { try objective(start + offset, $0) }
            }
            for (value, blocks) in found {
                each(blocks)
                total.value += value
                if total.blocks.isEmpty {
                    total.blocks = blocks
                } else {
                    for index in blocks.indices { total.blocks[index].add(blocks[index]) }
                }
            }
        }
        return total
    }

    private static let sequencesAtATime = 4
}
