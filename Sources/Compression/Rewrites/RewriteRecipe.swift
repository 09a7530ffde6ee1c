import Foundation
import Rewriting
import Tensors

/// One method that narrows coupled matrices with the choices of one paper, as a YAML file states them.
///
///     recipe: flap               # its name
///     title: FLAP ...
///     source: arXiv 2312.11983
///     rewrite: units             # heads and neurons; or widths (MoDeGPT); or blocks; or stream (SliceGPT);
///                                # or cache (MatryoshkaKV); or experts (FactorLLM)
///     neurons: fluctuation       # how units are weighed; absent where they stay
///     heads: fluctuation
///     compensation: bias         # none, bias, least-squares, affine
///     ridge: 0.01                # of compensation, a share of the inputs' mean square; absent: 0.0001, with division: measured
///                                # what leaves outputs closest
///     division: standardised     # uniform, softmax, sigmoid, raw, mean, standardised, split, measured, latency
///     epsilon: 0.1               # of softmax; steepness of sigmoid; gamma of split
///     pace: 50%                  # of queries and keys, against the values'
///     sequential: true           # front to back
///     basis: principal           # of a stream: what is kept of it, principal or coordinates
///     widths: uniform            # of a stream: uniform or energies
///     tied: copied               # a table of words that is the head too: copied and cut twice, or kept
///     ranks: greedy              # of a cache's directions: greedy or uniform
///     experts: 8                 # of each feed-forward network
///     split: activity            # neurons that are active together; or order, as they lie
///     shared: 4                  # experts of the neurons that matter most, which run for every token
///     substitute: means          # for experts that are left out; or scale, of the sum of the others
///     size: 80%                  # of the parameters that it touches; of a token's numbers in the cache; of experts, of
///                                # those that run for a token
public struct RewriteRecipe: Sendable, Equatable {
    public let name: String
    public let title: String
    public let source: String
    public let method: RewriteMethod
    /// Of the parameters that the method touches (of the time, for the division by latency).
    public var share: Double
    public let notes: String?
    /// The file as it is.
    public let text: String

    private static let keys = [
        "recipe", "title", "source", "rewrite", "neurons", "heads", "compensation", "division", "epsilon", "steepness",
        "gamma", "ridge", "pace", "sequential", "basis", "widths", "tied", "ranks", "experts", "split", "shared",
        "substitute", "size", "notes",
    ]

    /// Whether a text is of this kind: it names what it rewrites.
    static func describes(_ text: String) -> Bool {
        text.split(whereSeparator: \.isNewline).contains { $0.hasPrefix("rewrite:") }
    }

    /// - Parameter file: where the text is from, for messages.
    /// - Throws: `CompressionError.recipeUnreadable`.
    init(yaml text: String, file: String) throws {
        let fields = try RecipeFields(text, file: file, known: Self.keys)
        name = try fields.text("recipe")
        title = try fields.text("title")
        source = try fields.text("source")
        notes = try fields.optionalText("notes")
        self.text = text
        share = try fields.share("size") ?? 1
        method = try Self.method(fields)
    }

    private static func method(_ fields: RecipeFields) throws -> RewriteMethod {
        var method = RewriteMethod(
            neurons: try weighing("neurons", fields), heads: try weighing("heads", fields),
            compensation: try fields.choice("compensation") ?? .none, division: try division(fields),
            isSequential: try fields.truth("sequential") ?? false)
        if let ridge = try fields.positive("ridge") { method.ridge = ridge }
        switch try fields.text("rewrite") {
        case "units":
            guard method.division != .measured else { throw fields.problem("division: measured is for widths") }
            guard method.neurons != nil || method.heads != nil else { throw fields.problem("expected neurons, heads or both") }
        case "widths":
            method.narrowsValues = true
            if method.division == .measured, method.neurons.map({ $0 != .score(.secondOrder) }) ?? false {
                throw fields.problem("division: measured is for neurons: second-order, whose order tells the loss of every width")
            }
            method.queryKeyPace = try fields.share("pace") ?? 0
        case "blocks": method.dropsBlocks = true
        case "stream":
            method.slicing = StreamSlicing(
                basis: try fields.choice("basis") ?? .principal, widths: try fields.choice("widths") ?? .uniform,
                tied: try fields.choice("tied") ?? .copied)
        case "cache": method.cacheRanks = try fields.choice("ranks") ?? .greedy
        case "experts":
            guard let count = try fields.integer("experts", in: 2...64) else { throw fields.problem("'experts' is missing") }
            method.experts = ExpertMethod(
                count: count, split: try fields.choice("split") ?? .order,
                substitute: try fields.choice("substitute") ?? .scale, shared: try fields.integer("shared", in: 0...count - 1) ?? 0)
        case let other:
            throw fields.problem("rewrite: expected one of units, widths, blocks, stream, cache, experts, got '\(other)'")
        }
        return method
    }

    private static func weighing(_ key: String, _ fields: RecipeFields) throws -> RewriteMethod.Weighing? {
        guard let text = try fields.optionalText(key) else { return nil }
        if let score = UnitScore(rawValue: text) { return .score(score) }
        if let score = GradientScore(rawValue: text) { return .gradient(score) }
        let known = UnitScore.allCases.map(\.rawValue) + GradientScore.allCases.map(\.rawValue)
        throw fields.problem("\(key): expected one of \(known.joined(separator: ", ")), got '\(text)'")
    }

    private static func division(_ fields: RecipeFields) throws -> RewriteMethod.Division {
        let known = ["uniform", "softmax", "sigmoid", "raw", "mean", "standardised", "split", "measured", "latency"]
        switch try fields.optionalText("division") ?? "uniform" {
        case "uniform": return .uniform
        case "softmax": return .blocks(.softmax(epsilon: try fields.positive("epsilon") ?? 0.1))
        case "sigmoid": return .blocks(.sigmoid(steepness: try fields.positive("steepness") ?? 26))
        case "split": return .split(gamma: try fields.positive("gamma") ?? 3)
        case "measured": return .measured
        case "latency": return .latency
        case let other:
            guard let scale = PooledAllocation.Scale(rawValue: other) else {
                throw fields.problem("division: expected one of \(known.joined(separator: ", ")), got '\(other)'")
            }
            return .pooled(scale)
        }
    }

    /// Whether `share` is of the dense model's time, not of the parameters that the method touches.
    public var countsTime: Bool { method.division == .latency }

    /// What `share` is of.
    public var quantityText: String {
        if method.experts != nil { return "the neurons, which run for a token" }
        return countsTime ? "the dense model's time" : method.cacheRanks != nil ? "a token's cache" : "the parameters that it touches"
    }

    /// What is counted before and after.
    var touchedText: String { method.cacheRanks == nil ? "those parameters" : "a token's numbers in the cache" }

    /// "narrows units, 70 % of the parameters that it touches".
    public var methodText: String {
        if method.experts != nil { return "cuts into experts, \(FigureText.percent(share)) of \(quantityText)" }
        let what =
            method.slicing != nil ? "cuts the stream" : method.cacheRanks != nil ? "narrows the cache"
            : method.dropsBlocks ? "drops blocks" : method.narrowsValues ? "narrows widths" : "narrows units"
        return "\(what), \(FigureText.percent(share)) of \(quantityText)"
    }

    /// The same method at another share.
    public func sized(_ share: Double) -> RewriteRecipe {
        var recipe = self
        recipe.share = share
        return recipe
    }
}

extension RecipeFields {
    /// "70%", "0.7".
    func share(_ key: String) throws -> Double? {
        guard let text = try optionalText(key) else { return nil }
        do {
            return try Budget(text, quantity: .bytes).fraction
        } catch {
            throw problem("\(key): expected a share such as 70%, got '\(text)'")
        }
    }

    func positive(_ key: String) throws -> Double? {
        guard let text = try optionalText(key) else { return nil }
        guard let number = Double(text), number.isFinite, number > 0 else {
            throw problem("\(key): expected a number above 0, got '\(text)'")
        }
        return number
    }

    func truth(_ key: String) throws -> Bool? {
        guard let text = try optionalText(key) else { return nil }
        guard let value = Bool(text) else { throw problem("\(key): expected true or false, got '\(text)'") }
        return value
    }
}
