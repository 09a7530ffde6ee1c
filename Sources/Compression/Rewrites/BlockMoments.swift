import Foundation
import LinearAlgebra
import Rewriting
import Tensors
import Transformers

/// Moments of matrices' inputs over the calibration tokens.
struct BlockMoments: Sendable {
    /// By the name of the input (`MatrixSite.input`).
    fileprivate(set) var inputs: [String: InputMoments] = [:]
    /// 1 - mean cosine of each block's input and output stream (MoDeGPT's block influence).
    fileprivate(set) var influences: [Double] = []
    /// Mean angle between them over pi (CFSP).
    fileprivate(set) var angles: [Double] = []
}

/// Moments behind blocks that were narrowed already, before those that are next.
///
/// Memory: the states, and features^2 doubles for each input that is asked for.
extension BlockWalk {
    /// Before the first block.
    init(_ model: any NetworkModel, sequences: [[Int]], context: ExecutionContext) throws {
        try self.init(
            sequences, batches: model.batches(sequences), width: model.hiddenSize, context: context)
    }

    private var tokens: Int { sequences.reduce(0) { $0 + $1.count } }

    /// Moments of some inputs of the next block, which is run but not passed. The same bits at any number of threads.
    /// - Throws: `TransformersError`; `CompressionError.notFinite`.
    func moments(of names: Set<String>, in model: any NetworkModel) throws -> BlockMoments {
        var sums = sums(of: names, in: model)
        for batch in batches.indices {
            _ = try run(batch, to: next + 1, of: model) { sums.see($0, $1) }
            sums.addFull(context)
        }
        return try moments(&sums)
    }

    /// Passes the next block.
    /// - Throws: `TransformersError`.
    mutating func advance(_ model: any NetworkModel) throws { try pass(to: next + 1, of: model) }

    /// Every block in turn: moments of the inputs that are named, and what blocks do to the stream.
    /// - Throws: `TransformersError`; `CompressionError.notFinite`.
    static func moments(
        of names: Set<String>, in model: any NetworkModel, sequences: [[Int]], context: ExecutionContext,
        progress: (Int, Int) -> Void
    ) throws -> BlockMoments {
        var walk = try BlockWalk(model, sequences: sequences, context: context)
        var all = BlockMoments()
        for block in 0..<model.blockCount {
            progress(block, model.blockCount)
            var sums = walk.sums(of: names, in: model)
            var turn = StreamTurn()
            try walk.pass(to: block + 1, of: model) {
                sums.see($0, $1)
            } seen: { _, before, after in
                sums.addFull(context)
                turn.add(before, after)
            }
            all.inputs.merge(try walk.moments(&sums).inputs) { $1 }
            all.influences.append(turn.influence)
            all.angles.append(turn.angle)
        }
        progress(model.blockCount, model.blockCount)
        return all
    }

    private func sums(of names: Set<String>, in model: any NetworkModel) -> MomentSums {
        let shown = names.intersection(model.inputs(ofBlock: next))
        return MomentSums(
            features: Calibration.features(of: model.sites).filter { shown.contains($0.key) }, withMeans: true)
    }

    private func moments(_ sums: inout MomentSums) throws -> BlockMoments {
        sums.add(context)
        var moments = BlockMoments()
        for name in sums.names { moments.inputs[name] = try sums.take(name, tokens: tokens) }
        return moments
    }
}

/// How far a block turns the stream, over tokens as they come.
private struct StreamTurn {
    private var cosines = 0.0
    private var angles = 0.0
    private var tokens = 0

    mutating func add(_ before: Matrix, _ after: Matrix) {
        for row in 0..<before.rows {
            var (product, first, second) = (0.0, 0.0, 0.0)
            for (a, b) in zip(before.row(row), after.row(row)) {
                product += Double(a) * Double(b)
                first += Double(a) * Double(a)
                second += Double(b) * Double(b)
            }
            let cosine = first > 0 && second > 0 ? min(1, max(-1, product / (first * second).squareRoot())) : 0
            cosines += cosine
            angles += acos(cosine) / .pi
        }
        tokens += before.rows
    }

    /// 1 - mean cosine.
    var influence: Double { 1 - cosines / Double(max(1, tokens)) }
    /// Mean angle over pi.
    var angle: Double { angles / Double(max(1, tokens)) }
}
