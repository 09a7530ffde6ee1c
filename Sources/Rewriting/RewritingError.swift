/// Why coupled matrices could not be narrowed; every message is one line and names the part of the model.
public enum RewritingError: Error, Equatable, CustomStringConvertible {
    case momentsMismatch(part: String, expected: Int, got: Int)
    case notFinite(part: String, what: String)
    case invalidUnits(part: String, inputs: Int, size: Int)
    case keepsNothing(part: String, kept: Int, of: Int)
    case shapeMismatch(part: String, what: String, expected: String, got: String)
    case unreachable(target: String, least: String)
    case invalidShare(String)
    case notSliceable(part: String, reason: String)
    case noCache(part: String)
    case unequalHeads(part: String)

    public var description: String {
        switch self {
        case .momentsMismatch(let part, let expected, let got):
            "\(part): expected moments of \(expected) inputs, got \(got)"
        case .notFinite(let part, let what):
            "\(part): \(what) is NaN or infinite"
        case .invalidUnits(let part, let inputs, let size):
            "\(part): \(inputs) inputs cannot be cut into units of \(size)"
        case .keepsNothing(let part, let kept, let count):
            "\(part): expected between 1 and \(count) units to keep, got \(kept)"
        case .shapeMismatch(let part, let what, let expected, let got):
            "\(part): \(what): expected \(expected), got \(got)"
        case .unreachable(let target, let least):
            "\(target) cannot be reached: the least that units leave is \(least)"
        case .invalidShare(let text):
            "'\(text)': expected a share of more than 0 and at most 1"
        case .notSliceable(let part, let reason):
            "\(part): the residual stream cannot be cut: \(reason)"
        case .noCache(let part):
            "\(part): keys and values of a model that is not causal are not cached"
        case .unequalHeads(let part):
            "\(part): its heads keep keys and values in directions of their own already, which no other rewrite changes"
        }
    }
}
