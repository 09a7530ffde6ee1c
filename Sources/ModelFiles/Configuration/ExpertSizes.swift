/// A feed-forward network cut into experts of equal size, of which a router chooses some for every token: expert e is
/// neurons e size ..< (e + 1) size of the network.
public struct ExpertSizes: Sendable, Hashable {
    /// What stands for the experts that a token does without.
    public enum Substitute: String, Sendable, CaseIterable {
        /// The sum of the chosen ones is multiplied by count / active (FactorLLM).
        case scale
        /// A constant for each that is left out.
        case means
    }

    public var count: Int
    /// Experts that run for a token.
    public var active: Int
    public var substitute: Substitute

    public init(count: Int, active: Int, substitute: Substitute) {
        self.count = count
        self.active = active
        self.substitute = substitute
    }

    /// Share of the neurons that run for a token.
    public var activeShare: Double { Double(active) / Double(count) }

    /// Experts of one block at most, so that a file cannot ask for room beyond reason.
    static let limit = 4096
}

/// `"experts"` of a block in `"blocks"`.
extension ExpertSizes {
    /// - Parameter neurons: of the network that is cut.
    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`.
    init(_ fields: ModelConfiguration, neurons: Int) throws(ModelFileError) {
        count = try fields.integer("count", in: 1...Self.limit)
        guard neurons > 0, neurons % count == 0 else {
            throw fields.wrong("count", "a divisor of the \(neurons) neurons", .integer(Int64(count)))
        }
        active = try fields.integer("active", in: 1...count)
        let name = try fields.string("substitute")
        guard let known = Substitute(rawValue: name) else {
            throw fields.wrong(
                "substitute", Substitute.allCases.map(\.rawValue).joined(separator: " or "), .string(name))
        }
        substitute = known
    }

    /// As the section has it.
    public var json: JSONValue {
        var object = JSONObject()
        object["count"] = .integer(Int64(count))
        object["active"] = .integer(Int64(active))
        object["substitute"] = .string(substitute.rawValue)
        return .object(object)
    }
}
