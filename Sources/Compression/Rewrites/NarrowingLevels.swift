import Foundation
import Transformers

/// How far a model may be narrowed before its matrices are compressed one by one.
public enum NarrowingLevels: Sendable, Equatable {
    /// As far as helps, where it was found to: by multiply-adds.
    case automatic
    /// Not at all.
    case none
    /// Shares of the parameters in blocks that are tried, descending; not at all is tried besides.
    case shares([Double])

    /// Reads "auto", "none", or shares such as "90%,75%".
    /// - Throws: `CompressionError.invalidLevels`.
    public init(_ text: String) throws {
        switch text {
        case "auto": self = .automatic
        case "none": self = .none
        default:
            let shares = try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
                do {
                    return try Budget(String(part), quantity: .bytes).fraction
                } catch {
                    throw CompressionError.invalidLevels(text: text)
                }
            }
            self = .shares(Set(shares).sorted(by: >))
        }
    }

    /// The other way round.
    public var text: String {
        switch self {
        case .automatic: "auto"
        case .none: "none"
        case .shares(let shares): shares.map { Budget(quantity: .bytes, fraction: $0).shareText + "%" }.joined(separator: ",")
        }
    }
}

extension Recipe {
    /// What is tried where nothing else is asked for. Families that keep single weights are close to the matrices as they are, and
    /// only what is next to nothing may go before them, of encoders less still (Docs/allocation.md has what was measured).
    static let usualLevels = [0.9, 0.8, 0.7, 0.6]
    static let usualLevelsBesideSparsity = [0.95, 0.9, 0.85]
    static let usualLevelsOfEncodersBesideSparsity = [0.98]

    /// The levels to try below 1, descending. None is below what the budget leaves: that would only lose.
    func narrowingLevels(of model: any TransformerModel) -> [Double] {
        switch rewrites {
        case .none: return []
        case .shares(let shares): return shares.filter { $0 < 1 }
        case .automatic:
            guard selection.only.isEmpty, selection.except.isEmpty, budgets.map(\.quantity) == [.multiplyAdds],
                let sources = try? sources(for: model)
            else { return [] }
            let besideSparsity =
                model is any EncoderModel ? Self.usualLevelsOfEncodersBesideSparsity : Self.usualLevelsBesideSparsity
            let levels = sources.allSatisfy(\.followsLowRank) ? Self.usualLevels : besideSparsity
            return levels.filter { $0 > budget.fraction }
        }
    }
}
