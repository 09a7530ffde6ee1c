import LinearAlgebra
import Synchronization
import Tensors
import Transformers

/// Second moments of the linear layers' inputs, G = X^T X / N, one for each distinct input.
public struct Calibration: Sendable {
    /// By `MatrixSite.input`; features x features.
    public var moments: [String: DoubleMatrix]
    /// N, the tokens seen.
    public let tokens: Int

    public init(moments: [String: DoubleMatrix], tokens: Int) {
        self.moments = moments
        self.tokens = tokens
    }

    /// Tokens of one pass through the model; bounds the activations held at a time.
    static let tokensPerPass = 2048

    /// Bytes that `collect` needs: the moments, and the activations of one pass.
    public static func memory(sites: [MatrixSite]) -> Int {
        features(of: sites).values.reduce(0) { $0 + 8 * $1 * $1 + 4 * $1 * tokensPerPass }
    }

    /// Width of each distinct input.
    static func features(of sites: [MatrixSite]) -> [String: Int] {
        Dictionary(
            sites.compactMap { site in site.input.map { ($0, site.shape.columns) } }, uniquingKeysWith: { first, _ in first })
    }

    /// Runs the model once over the sequences and accumulates every input of `sites` in `Double`.
    ///
    /// Products of one pass run in parallel over the inputs; each input adds its passes in order, so the sums do
    /// not depend on the number of threads.
    /// - Throws: `CompressionError.notFinite` when an activation is NaN or infinite.
    public static func collect(
        _ model: any TransformerModel, sites: [MatrixSite], sequences: [[Int]], context: ExecutionContext,
        progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
    ) throws -> Calibration {
        let widths = features(of: sites)
        let names = widths.keys.sorted()
        let index = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        let sums = names.map { Slot(DoubleMatrix(rows: widths[$0] ?? 0, columns: widths[$0] ?? 0)) }
        var tokens = 0
        var start = 0
        while start < sequences.count {
            var end = start
            var count = 0
            while end < sequences.count, end == start || count + sequences[end].count <= tokensPerPass {
                count += sequences[end].count
                end += 1
            }
            var seen: [[DoubleMatrix]] = Array(repeating: [], count: names.count)
            try model.observe(Array(sequences[start..<end]), context: context) { name, activations in
                guard let slot = index[name] else { return }
                seen[slot].append(copied(activations))
            }
            let pass = seen
            context.parallelFor(names.count) { slot in
                sums[slot].value.withLock { sum in
                    for activations in pass[slot] { sum.addGramian(of: activations) }
                }
            }
            tokens += count
            start = end
            try progress(start, sequences.count)
        }
        var moments: [String: DoubleMatrix] = [:]
        for (name, sum) in zip(names, sums) {
            var moment = sum.value.withLock { $0 }
            guard moment.isFinite else { throw CompressionError.notFinite(matrix: name, what: "the calibration input") }
            moment.scale(by: 1 / Double(max(1, tokens)))
            moments[name] = moment
        }
        return Calibration(moments: moments, tokens: tokens)
    }

    private static func copied(_ view: MatrixView) -> DoubleMatrix {
        DoubleMatrix(rows: view.rows, columns: view.columns) { Double(view.row($0)[$1]) }
    }

    /// A mutex in an array (mutexes cannot be copied).
    private final class Slot: Sendable {
        let value: Mutex<DoubleMatrix>
        init(_ matrix: DoubleMatrix) { value = Mutex(matrix) }
    }
}
