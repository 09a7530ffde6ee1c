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

    /// `standard` in words.
    public static let standardText = "sequential below a fifth of the bytes, else none"

    /// What is done without being asked for: where few bytes are left, layers read inputs that the dense model's tell little of.
    /// Measured (Docs/allocation.md), sequential fitting helps there; at a quarter of the bytes and above the difference is
    /// within the error of figures like overlap@10.
    static func standard(for budgets: [Budget]) -> [RecoveryStep] {
        budgets.map(\.quantity) == [.bytes] && budgets[0].fraction < 0.2 ? [.sequential] : []
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
