import Fitting
import Foundation
import StructuredMatrices
import Synchronization
import Tensors
import Transformers

/// The Gram matrices of the linear layers' inputs over one text, which the journal keeps: all in memory where that has room
/// for them, else read whenever a fit needs them.
final class GramStore: Sendable {
    private let journal: Journal
    private let stage: String
    private let features: [String: Int]
    private let isKept: Bool
    private let kept = Mutex<[String: Gram]>([:])

    /// - Parameters:
    ///   - stage: "calibrating", "calibrating on held-out text".
    ///   - features: the width of every input.
    init(journal: Journal, stage: String, features: [String: Int], isKept: Bool) {
        self.journal = journal
        self.stage = stage
        self.features = features
        self.isKept = isKept
    }

    /// Where an input's Gram matrix lies in the journal.
    static func key(_ input: String, stage: String) -> String { "\(stage): \(input)" }

    /// The Gram matrix of an input; nil where there is none.
    /// - Throws: `CompressionError.journalUnreadable`, `ModelFileError`.
    func gram(of input: String) throws -> Gram? {
        guard let size = features[input] else { return nil }
        let key = Self.key(input, stage: stage)
        guard isKept else { return try journal.gram(key: key, size: size, isRead: true) }
        return try kept.withLock { kept in
            if let known = kept[input] { return known }
            let gram = try journal.gram(key: key, size: size, isRead: false)
            kept[input] = gram
            return gram
        }
    }
}
