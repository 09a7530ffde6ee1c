import ModelFiles

/// How feed-forward networks are cut into experts.
public struct ExpertMethod: Sendable, Equatable {
    /// Which neurons go together.
    public enum Split: String, Sendable, CaseIterable {
        /// Consecutive ones, as they lie.
        case order
        /// Those that are active together.
        case activity
    }

    /// Experts of each network.
    public var count: Int
    public var split: Split
    /// What stands for experts that are left out.
    public var substitute: ExpertSizes.Substitute
    /// Experts of the neurons that matter most over all tokens, which run for every one.
    public var shared: Int

    public init(count: Int, split: Split, substitute: ExpertSizes.Substitute, shared: Int = 0) {
        self.count = count
        self.split = split
        self.substitute = substitute
        self.shared = shared
    }
}

/// How well a block's routed experts stand for its feed-forward network, over the calibration tokens: squared error of the
/// output relative to its size.
public struct ExpertFit: Sendable, Equatable {
    public let block: Int
    /// With the experts that the router chooses.
    public let error: Double
    /// With the best choice for every token, and the same that stands for the others.
    public let leastError: Double
}
