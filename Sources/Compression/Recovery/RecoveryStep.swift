/// A way to win quality back after matrices were compressed, without training. Listed in the order they are tried in.
public enum RecoveryStep: String, Sendable, CaseIterable, Comparable {
    /// Every matrix fitted anew, in the same form, to the inputs that the compressed layers before it give.
    case sequential
    /// The mean error of a layer's outputs absorbed in its bias.
    case bias
    /// Least squares for what is continuous in a matrix: values, factors, scales.
    case refit
    /// Gains and shifts of norms.
    case norms
    /// Bytes that the budget has left, spent on low-rank corrections.
    case eora

    public static func < (left: Self, right: Self) -> Bool {
        (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }

    /// In reports.
    var title: String {
        switch self {
        case .sequential: "sequential fitting"
        case .bias: "bias correction"
        case .refit: "least-squares refit"
        case .norms: "norm tuning"
        case .eora: "low-rank corrections from bytes left over"
        }
    }

    /// What `auto`, `none` and lists of names stand for.
    /// - Throws: `CompressionError.unknownRecovery`.
    public static func named(_ text: String) throws -> [RecoveryStep] {
        switch text {
        case "auto": return allCases
        case "none": return []
        default:
            let names = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.filter { $0 != " " } }
            return try Set(
                names.map { name in
                    guard let step = RecoveryStep(rawValue: name) else {
                        throw CompressionError.unknownRecovery(name: name, known: allCases.map(\.rawValue))
                    }
                    return step
                }
            ).sorted()
        }
    }

    /// The other way round.
    public static func text(_ steps: [RecoveryStep]) -> String {
        if steps.isEmpty { return "none" }
        return steps == allCases ? "auto" : steps.map(\.rawValue).joined(separator: ",")
    }
}
