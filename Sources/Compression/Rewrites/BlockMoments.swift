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

/// A model run block by block over the calibration sequences, the stream being kept where it stands: behind blocks that were
/// narrowed already, before those that are next.
///
/// Memory: the stream (tokens x width floats), and features^2 doubles for each input that is asked for.
struct BlockWalk: Sendable {
    let sequences: [[Int]]
    let context: ExecutionContext
    private(set) var states: Matrix
    private(set) var next = 0

    /// Before the first block.
    /// - Throws: `TransformersError`.
    init(_ model: any NetworkModel, sequences: [[Int]], context: ExecutionContext) throws {
        self.sequences = sequences
        self.context = context
        states = try model.states(sequences, context: context)
    }

    /// Moments of some inputs of the next block, which is run but not passed. The same bits at any number of threads.
    /// - Throws: `TransformersError`; `CompressionError.notFinite`.
    func moments(of names: Set<String>, in model: any NetworkModel) throws -> BlockMoments {
        try run(model, names).moments
    }

    /// Passes the next block.
    /// - Throws: `TransformersError`; `CompressionError.notFinite`.
    mutating func advance(_ model: any NetworkModel) throws {
        states = try run(model, []).states
        next += 1
    }

    /// Every block in turn: moments of the inputs that are named, and what blocks do to the stream.
    /// - Throws: `TransformersError`; `CompressionError.notFinite`.
    static func moments(
        of names: Set<String>, in model: any NetworkModel, sequences: [[Int]], context: ExecutionContext,
        progress: (Int, Int) -> Void
    ) throws -> BlockMoments {
        var walk = try BlockWalk(model, sequences: sequences, context: context)
        var all = BlockMoments()
        for block in 0..<model.layerCount {
            progress(block, model.layerCount)
            let (states, moments) = try walk.run(model, names)
            all.inputs.merge(moments.inputs) { $1 }
            let (influence, angle) = turn(walk.states, states)
            all.influences.append(influence)
            all.angles.append(angle)
            walk.states = states
            walk.next += 1
        }
        progress(model.layerCount, model.layerCount)
        return all
    }

    private func run(_ model: any NetworkModel, _ names: Set<String>) throws -> (states: Matrix, moments: BlockMoments) {
        var sums: [String: MomentSums] = [:]
        let after = try model.run(next..<next + 1, on: states, of: sequences, context: context) { name, activations in
            guard names.contains(name) else { return }
            sums[name, default: MomentSums(columns: activations.columns)].add(activations)
        }
        var moments = BlockMoments()
        for (name, sum) in sums {
            guard sum.isFinite else { throw CompressionError.notFinite(matrix: name, what: "the calibration input") }
            moments.inputs[name] = sum.moments
        }
        return (after, moments)
    }

    /// 1 - mean cosine, and mean angle over pi, of the rows of two streams.
    private static func turn(_ before: Matrix, _ after: Matrix) -> (influence: Double, angle: Double) {
        var (cosines, angles) = (0.0, 0.0)
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
        let count = Double(max(1, before.rows))
        return (1 - cosines / count, angles / count)
    }
}

/// First and second moments as they add up.
private struct MomentSums {
    private var second: DoubleMatrix
    private var sum: [Double]
    private var tokens = 0

    init(columns: Int) {
        second = DoubleMatrix(rows: columns, columns: columns)
        sum = Array(repeating: 0, count: columns)
    }

    mutating func add(_ activations: MatrixView) {
        let rows = DoubleMatrix(rows: activations.rows, columns: activations.columns) { Double(activations.row($0)[$1]) }
        second.addGramian(of: rows)
        for row in 0..<rows.rows {
            for column in 0..<rows.columns { sum[column] += rows[row, column] }
        }
        tokens += rows.rows
    }

    var isFinite: Bool { second.isFinite }

    var moments: InputMoments {
        let share = 1 / Double(max(1, tokens))
        var second = second
        second.scale(by: share)
        return InputMoments(second: second, mean: sum.map { $0 * share })
    }
}
