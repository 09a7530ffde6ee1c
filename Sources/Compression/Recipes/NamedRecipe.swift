/// A recipe that ships, or one in a YAML file: a method for single matrices, or one that narrows coupled ones.
public enum NamedRecipe: Sendable, Equatable {
    case method(MethodRecipe)
    case rewrite(RewriteRecipe)

    public static var names: [String] { MethodRecipes.names + RewriteRecipes.names }

    /// - Throws: `CompressionError.unknownRecipe`, `.recipeUnreadable`, `TensorError.fileNotReadable`.
    public init(_ name: String) throws {
        let isFile = name.hasSuffix(".yaml") || name.hasSuffix(".yml")
        guard isFile || Self.names.contains(name) else {
            throw CompressionError.unknownRecipe(name: name, known: Self.names)
        }
        if let recipe = try RewriteRecipes.recipe(name) { self = .rewrite(recipe) } else {
            self = .method(try MethodRecipes.named(name))
        }
    }

    /// What a study of rewrites compares: all of them, and the control for what narrows neurons.
    /// - Throws: `CompressionError.recipeUnreadable`, which a test sees to it never happens.
    public static func ofRewriteStudy() throws -> [NamedRecipe] {
        try RewriteRecipes.all().map { .rewrite($0) } + [NamedRecipe("svd-llm")]
    }

    public var name: String {
        switch self {
        case .method(let recipe): recipe.name
        case .rewrite(let recipe): recipe.name
        }
    }

    /// The file as it is.
    public var text: String {
        switch self {
        case .method(let recipe): recipe.text
        case .rewrite(let recipe): recipe.text
        }
    }

    /// Whether its size is a share of the dense model's time, not of the parameters that it touches.
    public var countsTime: Bool {
        if case .rewrite(let recipe) = self { return recipe.countsTime }
        return false
    }

    /// The same recipe at another size.
    /// - Parameters:
    ///   - text: "70%": a share of the matrices that it touches; of the dense model's time where it counts that.
    ///   - quantity: of those matrices. Recipes that narrow coupled ones count parameters alone.
    /// - Throws: `CompressionError.invalidBudget`; `.recipeUnreadable` where options fix the size, or the quantity is another.
    public func sized(_ text: String, of quantity: SizeShare.Quantity = .parameters) throws -> NamedRecipe {
        switch self {
        case .method(let recipe): return .method(try recipe.sized(try SizeShare(text, of: quantity)))
        case .rewrite(let recipe):
            guard quantity == .parameters else {
                throw CompressionError.recipeUnreadable(
                    file: recipe.name, reason: "it has no size in \(quantity.rawValue), only in \(recipe.quantityText)")
            }
            return .rewrite(recipe.sized(try Budget(text, quantity: recipe.countsTime ? .latency : .bytes).fraction))
        }
    }
}
