import Tensors
import Transformers

/// A causal model's scores on consecutive windows of a text, for others to be compared with.
public struct CausalReference: Sendable {
    public let model: any CausalModel
    public let windows: [[Int]]
    public let windowSize: Int
    /// Of every window; empty where they would take too much memory.
    private let kept: [Matrix]

    /// Scores of about 30,000 tokens with a vocabulary of 8,192.
    public static let defaultKeptBytes = 1 << 30

    /// - Parameter keptBytes: scores are kept where they take no more; else the model runs again for every comparison.
    /// - Throws: `AnalysisError.invalidWindow`, `.tooFew`; `TransformersError`; what `progress` throws.
    public init(
        _ model: any CausalModel, tokens: [Int], windowSize: Int, keptBytes: Int = Self.defaultKeptBytes,
        context: ExecutionContext, progress: MeasurementProgress = { _, _ in }
    ) throws {
        guard windowSize >= 2, windowSize <= model.maximumPositions else {
            throw AnalysisError.invalidWindow(size: windowSize, maximum: model.maximumPositions)
        }
        let windows = TextWindows.cut(tokens, size: windowSize)
        guard !windows.isEmpty else {
            throw AnalysisError.tooFew(what: "tokens of text", needed: 2, got: tokens.count)
        }
        (self.model, self.windows, self.windowSize) = (model, windows, windowSize)
        let bytes = windows.reduce(0) { $0 + $1.count }.multipliedReportingOverflow(by: 4 * model.vocabularySize)
        guard !bytes.overflow, bytes.partialValue <= keptBytes else {
            kept = []
            return
        }
        kept = try context.parallelMap(windows.count, progress: progress) {
            try model.logits(windows[$0], context: .serial)
        }
    }

    /// The scores after each token of a window, tokens x vocabulary.
    /// - Throws: `TransformersError`.
    func logits(_ window: Int) throws -> Matrix {
        kept.isEmpty ? try model.logits(windows[window], context: .serial) : kept[window]
    }
}
