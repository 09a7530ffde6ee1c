import ModelFiles

extension Plan {
    /// A recipe that narrows coupled matrices, and what it leaves of the parameters that it touches. Shapes of entries are
    /// those that it leaves.
    public struct Rewrite: Sendable, Equatable {
        public var recipe: String
        public var share: Double

        public init(recipe: String, share: Double) {
            self.recipe = recipe
            self.share = share
        }

        var json: JSONValue { ["recipe": .string(recipe), "share": .number(share)] }

        init?(json: JSONValue) {
            guard let recipe = json["recipe"]?.stringValue, let share = json["share"]?.doubleValue, share > 0, share <= 1
            else { return nil }
            self.init(recipe: recipe, share: share)
        }
    }
}
