import Tensors
import Transformers

/// The dense and the compressed model side by side, layer after layer, over the same sequences.
///
/// States between layers are kept, so that all that is asked of a layer costs runs of that layer alone. Memory: two states of
/// all tokens (8 tokens width bytes), and the activations of one chunk of sequences.
package struct ForwardWalk {
    package let dense: any LayeredModel
    /// The compressed model; layers that states have passed must not change any more.
    package var own: any LayeredModel
    private let sequences: [[Int]]
    private let context: ExecutionContext
    private let chunks: [Chunk]
    /// The layer that reads the states, and the states; nil before the first was asked for.
    private var place: (layer: Int, dense: Matrix, own: Matrix)?

    fileprivate struct Chunk {
        var sequences: Range<Int>
        var rows: Range<Int>
    }

    /// Bytes that states may take; sequences beyond are left out.
    static let stateLimit = 512 << 20
    static let mostTokens = 1 << 14
    /// The most tokens whose products are summed in `Float`.
    static let tokensAtOnce = 2048

    /// - Parameter width: of the states.
    package init(dense: any LayeredModel, own: any LayeredModel, sequences: [[Int]], width: Int, context: ExecutionContext) {
        self.dense = dense
        self.own = own
        self.context = context
        var room = min(Self.mostTokens, Self.stateLimit / 8 / max(1, width))
        self.sequences = Array(
            sequences.enumerated().prefix { index, sequence in
                room -= sequence.count
                return room >= 0 || index == 0
            }.map(\.element))
        var chunks: [Chunk] = []
        for (index, sequence) in self.sequences.enumerated() {
            let first = chunks.last?.rows.upperBound ?? 0
            if let last = chunks.last, last.rows.count + sequence.count <= Self.tokensAtOnce {
                chunks[chunks.count - 1].sequences = last.sequences.lowerBound..<index + 1
                chunks[chunks.count - 1].rows = last.rows.lowerBound..<first + sequence.count
            } else {
                chunks.append(Chunk(sequences: index..<index + 1, rows: first..<first + sequence.count))
            }
        }
        self.chunks = chunks
    }

    /// The inputs of every layer in the order of the computation.
    /// - Throws: `TransformersError`.
    package static func inputs(of model: any LayeredModel, sequence: [Int]) throws -> [[String]] {
        var states = try model.states([sequence], context: .serial)
        return try (0..<model.layerCount).map { layer in
            var names: [String] = []
            states = try model.run(layer..<layer + 1, on: states, of: [sequence], context: .serial) { name, _ in
                if !names.contains(name) { names.append(name) }
            }
            return names
        }
    }

    /// Moments of an input of a layer.
    /// - Parameters:
    ///   - layer: not before any that was asked for.
    ///   - sum: where the sum lies that the outputs of the input's matrices are added to.
    ///   - isCentred: about the means.
    ///   - meansOnly: leaves second moments zero.
    /// - Throws: `CompressionError.notFinite`, `TransformersError`.
    package mutating func moments(
        of input: String, layer: Int, sum: NormSite.Output? = nil, centred isCentred: Bool, meansOnly: Bool = false
    ) throws -> PairedMoments {
        let (dense, own) = try states(before: layer)
        var moments: PairedMoments?
        for chunk in chunks {
            let there = try run(self.dense, layer, dense, chunk)
            let here = try run(self.own, layer, own, chunk)
            guard let x = there.inputs[input], let compressed = here.inputs[input] else { continue }
            let missing = sum.flatMap { sum -> Matrix? in
                switch sum {
                case .states: dense.block(chunk) - own.block(chunk)
                case .input(let name):
                    there.inputs[name].flatMap { left in here.inputs[name].map { left - $0 } }
                }
            }
            var sums = moments ?? PairedMoments(features: compressed.columns, dense: x.columns, outputs: missing?.columns)
            moments = nil
            sums.add(dense: x, compressed: compressed, missing: missing, meansOnly: meansOnly, context: context)
            moments = sums
        }
        guard var result = moments else { return PairedMoments(features: 0) }
        result.finish(centred: isCentred && !meansOnly)
        guard result.isFinite else {
            throw CompressionError.notFinite(matrix: input, what: "the compressed model's input")
        }
        return result
    }

    /// Moments of single features of what a norm gives, in both models.
    /// - Throws: `TransformersError`.
    package mutating func features(of norm: NormSite) throws -> PairedFeatures {
        var features: PairedFeatures?
        func add(_ dense: Matrix, _ own: Matrix) {
            var sums = features ?? PairedFeatures(count: dense.columns)
            sums.add(dense: dense, own: own)
            features = sums
        }
        if norm.layer < 0 {
            add(try self.dense.states(sequences, context: context), try self.own.states(sequences, context: context))
        } else {
            let (dense, own) = try states(before: norm.layer)
            for chunk in chunks {
                let there = try run(self.dense, norm.layer, dense, chunk)
                let here = try run(self.own, norm.layer, own, chunk)
                switch norm.output {
                case .states: add(there.states, here.states)
                case .input(let name):
                    if let left = there.inputs[name], let right = here.inputs[name] { add(left, right) }
                }
            }
        }
        return features ?? PairedFeatures(count: 0)
    }

    private mutating func states(before layer: Int) throws -> (dense: Matrix, own: Matrix) {
        var (at, dense, own) = try place ?? (
            0, self.dense.states(sequences, context: context), self.own.states(sequences, context: context)
        )
        place = nil
        if at < layer {
            dense = try self.dense.run(at..<layer, on: dense, of: sequences, context: context) { _, _ in }
            own = try self.own.run(at..<layer, on: own, of: sequences, context: context) { _, _ in }
            at = layer
        }
        place = (at, dense, own)
        return (dense, own)
    }

    private func run(
        _ model: any LayeredModel, _ layer: Int, _ states: Matrix, _ chunk: Chunk
    ) throws -> (states: Matrix, inputs: [String: Matrix]) {
        var seen: [String: (columns: Int, elements: [Float])] = [:]
        let after = try model.run(
            layer..<layer + 1, on: states.block(chunk), of: Array(sequences[chunk.sequences]), context: context
        ) { name, activations in
            for row in 0..<activations.rows {
                seen[name, default: (activations.columns, [])].elements
                    += UnsafeBufferPointer(start: activations.row(row), count: activations.columns)
            }
        }
        return (
            after,
            seen.mapValues { Matrix(rows: $0.elements.count / max(1, $0.columns), columns: $0.columns, elements: $0.elements) }
        )
    }
}

extension Matrix {
    fileprivate func block(_ chunk: ForwardWalk.Chunk) -> Matrix { block(rows: chunk.rows, columns: 0..<columns) }
}
