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
    /// - Parameter journal: keeps what was seen of each block.
    /// - Throws: `TransformersError`; `CompressionError.notFinite`, `.journalUnreadable`, `.journalNotWritable`.
    static func moments(
        of names: Set<String>, in model: any NetworkModel, sequences: [[Int]], context: ExecutionContext,
        journal: Journal? = nil, progress: (Int, Int) -> Void
    ) throws -> BlockMoments {
        var walk = try BlockWalk(model, sequences: sequences, context: context)
        var all = BlockMoments()
        let features = Calibration.features(of: model.sites)
        for block in 0..<model.blockCount {
            progress(block, model.blockCount)
            let shown = names.intersection(model.inputs(ofBlock: block))
            let seen = try journal.kept("moments of block \(block)") {
                Set($0.inputs.keys) == shown && $0.inputs.allSatisfy { $1.count == features[$0] }
            } make: {
                if walk.next < block { try walk.pass(to: block, of: model) }
                return try walk.momentsPassed(of: names, in: model)
            }
            all.inputs.merge(seen.inputs) { $1 }
            all.influences += seen.influences
            all.angles += seen.angles
        }
        progress(model.blockCount, model.blockCount)
        return all
    }

    /// Moments of some inputs of the next block, which is passed, and what it does to the stream.
    private mutating func momentsPassed(of names: Set<String>, in model: any NetworkModel) throws -> BlockMoments {
        var sums = sums(of: names, in: model)
        var turn = StreamTurn()
        let context = context
        try pass(to: next + 1, of: model) {
            sums.see($0, $1)
        } seen: { _, before, after in
            sums.addFull(context)
            turn.add(before, after)
        }
        var moments = try moments(&sums)
        moments.influences = [turn.influence]
        moments.angles = [turn.angle]
        return moments
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

/// Of one block.
extension BlockMoments: JournaledMatrices {
    private static let turn = "turn"

    var journaled: [(name: String, matrix: DoubleMatrix)] {
        inputs.sorted { $0.key < $1.key }.flatMap { name, moments in
            [("second \(name)", moments.second), ("mean \(name)", DoubleMatrix(row: moments.mean))]
        } + [(Self.turn, DoubleMatrix(row: influences + angles))]
    }

    init?(journaled: [String: DoubleMatrix]) {
        guard let turn = journaled[Self.turn]?.elements, turn.count == 2 else { return nil }
        (influences, angles) = ([turn[0]], [turn[1]])
        for (key, mean) in journaled where key.hasPrefix("mean ") {
            let name = String(key.dropFirst("mean ".count))
            guard let second = journaled["second \(name)"], second.rows == mean.elements.count,
                second.columns == second.rows
            else { return nil }
            inputs[name] = InputMoments(second: second, mean: mean.elements)
        }
    }
}

/// How far a block turns the stream, over tokens as they come.
private struct StreamTurn {
    private var cosines = 0.0
    private var angles = 0.0
    private var tokens = 0

    mutating func add(_ before: Matrix, _ after: Matrix) {
        for row in 0..<before.rows {
            let cosine = OutputDistance.cosine(before.row(row), after.row(row)).map { min(1, max(-1, $0)) } ?? 0
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
