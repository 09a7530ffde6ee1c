import Communication
import Foundation
import LinearAlgebra
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

    /// Tokens of one pass through the model; passes are what ranks are given.
    static let tokensPerPass = 2048

    /// Width of each distinct input.
    static func features(of sites: [MatrixSite]) -> [String: Int] {
        Dictionary(
            sites.compactMap { site in site.input.map { ($0, site.shape.columns) } }, uniquingKeysWith: { first, _ in first })
    }

    /// Bytes that the moments of some inputs take.
    static func bytes(_ features: [String: Int]) -> Int { features.values.reduce(0) { $0 + 8 * $1 * $1 } }

    /// The moments of all inputs of `sites` at once, in memory.
    /// - Throws: as the other.
    public static func collect(
        _ model: any TransformerModel, sites: [MatrixSite], sequences: [[Int]], context: ExecutionContext,
        progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
    ) throws -> Calibration {
        var moments: [String: DoubleMatrix] = [:]
        let tokens = try collect(
            model, features: features(of: sites), sequences: sequences, context: context, progress: progress
        ) { moments[$0] = try $1() }
        return Calibration(moments: moments, tokens: tokens)
    }

    /// Runs the model over the sequences, as many blocks at a time as `memory` has room for the moments of (at least one),
    /// accumulates every input in `Double`, and lets `keep` take each moment when it is complete: on the last rank.
    ///
    /// Products run in parallel over the inputs; each input adds its batches in order, and where there are several ranks
    /// the sums go from rank to rank in the order of the sequences. So they depend neither on the number of threads nor of
    /// ranks. Between groups of blocks, hidden states are kept (`SpilledStates`), in `folder` where they are many.
    /// - Returns: the tokens seen, by all ranks.
    /// - Throws: `CompressionError.notFinite` when an activation is NaN or infinite, what `keep` and `progress` throw;
    ///   `ModelFileError`, `CommunicationError`.
    static func collect(
        _ model: any TransformerModel, features: [String: Int], sequences: [[Int]], context: ExecutionContext,
        communicator: any Communicator = LocalCommunicator(), memory: Int = .max,
        folder: URL = FileManager.default.temporaryDirectory,
        progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in },
        keep: (_ input: String, _ moment: () throws -> DoubleMatrix) throws -> Void
    ) throws -> Int {
        let passes = SequencePasses(sequences, tokensPerPass: tokensPerPass)
        let tokens = sequences.reduce(0) { $0 + $1.count }
        var work = try communicator.together {
            try BlockwiseCollection(
                model, features: features, sequences: sequences, passes: passes.share(communicator.rank, of: communicator.count),
                memory: memory, folder: folder, context: context)
        }
        // What fails here must not keep the other ranks waiting: the sums then go on without being worked on.
        var failure: (any Error)?
        func unlessFailed(_ body: () throws -> Void) {
            guard failure == nil else { return }
            do { try body() } catch { failure = error }
        }
        let total = max(1, work.groupCount * sequences.count)
        for group in 0..<work.groupCount {
            work.begin(group)
            if communicator.rank > 0 { try work.receiveSums(from: communicator.rank - 1, communicator) }
            unlessFailed {
                try work.run(group) { seen in try progress(group * sequences.count + seen, total) }
            }
            if communicator.rank < communicator.count - 1 {
                try work.sendSums(to: communicator.rank + 1, communicator)
                continue
            }
            for name in work.sums.names {
                unlessFailed { try keep(name) { try work.sums.take(name, tokens: tokens).second } }
            }
        }
        try communicator.together { if let failure { throw failure } }
        return tokens
    }
}

/// Consecutive sequences that go through the model together.
struct SequencePasses {
    let passes: [Range<Int>]
    private let tokens: [Int]

    init(_ sequences: [[Int]], tokensPerPass: Int) {
        var (passes, tokens): ([Range<Int>], [Int]) = ([], [])
        var start = 0
        while start < sequences.count {
            var (end, count) = (start, 0)
            while end < sequences.count, end == start || count + sequences[end].count <= tokensPerPass {
                count += sequences[end].count
                end += 1
            }
            passes.append(start..<end)
            tokens.append(count)
            start = end
        }
        (self.passes, self.tokens) = (passes, tokens)
    }

    /// The passes of one rank: consecutive ones, about as many tokens for every rank.
    func share(_ rank: Int, of count: Int) -> [Range<Int>] {
        let total = tokens.reduce(0, +)
        var seen = 0
        var shares: [Range<Int>] = []
        for (pass, size) in zip(passes, tokens) {
            // Where the middle of the pass lies decides whose it is.
            if total > 0, min(count - 1, (2 * seen + size) * count / (2 * total)) == rank { shares.append(pass) }
            seen += size
        }
        return shares
    }
}
