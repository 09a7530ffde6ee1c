import Foundation
import ModelFiles
import StructuredMatrices
import Transformers

/// The allocator's answer: for every matrix that takes part, the candidate to keep it as. A readable file.
public struct Plan: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        public var name: String
        public var shape: MatrixShape
        public var choice: AssessedCandidate
        /// Estimated harm to the output per unit of relative error.
        public var sensitivity: Double
        /// What a table of latencies says of the choice; nil where latency was no budget.
        public var latency: ProductTime?

        public init(
            name: String, shape: MatrixShape, choice: AssessedCandidate, sensitivity: Double,
            latency: ProductTime? = nil
        ) {
            self.name = name
            self.shape = shape
            self.choice = choice
            self.sensitivity = sensitivity
            self.latency = latency
        }
    }

    public var recipe: [(name: String, value: String)]
    public var entries: [Entry]
    /// Matrices left as they are, and why.
    public var left: [(name: String, reason: String)]
    public var notes: [String]
    /// Where latency was a budget.
    public var latency: Latency?
    /// How the model is narrowed before; nil where it is not.
    public var rewrite: Rewrite?
    /// The text that fits are made on, so that who follows the plan need not name it.
    public var calibration: Calibration?

    public struct Calibration: Sendable, Equatable {
        /// A file as it was named, or "self".
        public var source: String
        /// Of the tokens.
        public var fingerprint: String

        init(_ source: CalibrationSource, _ text: CalibrationText) {
            (self.source, fingerprint) = (source.text, text.fingerprint)
        }
    }

    public init(
        recipe: [(name: String, value: String)], entries: [Entry], left: [(name: String, reason: String)],
        notes: [String], latency: Latency? = nil, rewrite: Rewrite? = nil, calibration: Calibration? = nil
    ) {
        self.recipe = recipe
        self.entries = entries
        self.left = left
        self.notes = notes
        self.latency = latency
        self.rewrite = rewrite
        self.calibration = calibration
    }

    public static func == (left: Plan, right: Plan) -> Bool { left.json == right.json }

    static let formatVersion = 1

    public var json: JSONValue {
        var recipe = JSONObject()
        for (name, value) in self.recipe { recipe[name] = .string(value) }
        var object = JSONObject()
        object["tessera_plan"] = .integer(Int64(Self.formatVersion))
        object["recipe"] = .object(recipe)
        if let calibration {
            object["calibration"] = [
                "source": .string(calibration.source), "fingerprint": .string(calibration.fingerprint),
            ]
        }
        if let latency { object["latency"] = latency.json }
        if let rewrite { object["rewrite"] = rewrite.json }
        object["notes"] = .array(notes.map { .string($0) })
        object["matrices"] = .array(entries.map { $0.json })
        object["left"] = .array(left.map { ["name": .string($0.name), "reason": .string($0.reason)] })
        return .object(object)
    }

    /// Reads a plan file.
    /// - Throws: `CompressionError.planUnreadable`, `ModelFileError`.
    public init(file: URL) throws {
        let json = try JSONValue.read(file: file.path)
        func refuse(_ reason: String) -> CompressionError { .planUnreadable(file: file.path, reason: reason) }
        guard let version = json["tessera_plan"]?.intValue else { throw refuse("'tessera_plan' is missing") }
        guard version == Self.formatVersion else {
            throw refuse("expected format version \(Self.formatVersion), got \(version)")
        }
        guard let matrices = json["matrices"]?.arrayValue else { throw refuse("'matrices' is not an array") }
        let entries = try matrices.enumerated().map { index, entry in
            guard let entry = Entry(json: entry) else {
                throw refuse("matrix \(index) needs name, shape, family, options of positive integers, cost and error")
            }
            return entry
        }
        guard Set(entries.map(\.name)).count == entries.count else { throw refuse("a matrix is named twice") }
        if let steps = json["recipe"]?["recovery"]?.stringValue, (try? RecoveryStep.named(steps)) == nil {
            throw refuse("unknown recovery '\(steps)'")
        }
        self.init(
            recipe: json["recipe"]?.objectValue?.compactMap { member in
                member.value.stringValue.map { (member.key, $0) }
            } ?? [],
            entries: entries,
            left: json["left"]?.arrayValue?.compactMap {
                guard let name = $0["name"]?.stringValue, let reason = $0["reason"]?.stringValue else { return nil }
                return (name, reason)
            } ?? [],
            notes: json["notes"]?.arrayValue?.compactMap(\.stringValue) ?? [],
            latency: json["latency"].flatMap { Latency(json: $0) },
            rewrite: try json["rewrite"].map { json in
                guard let rewrite = Rewrite(json: json) else {
                    throw refuse("'rewrite' needs a recipe and a share above 0 and at most 1")
                }
                return rewrite
            },
            calibration: json["calibration"].flatMap { Calibration(json: $0) })
    }

    /// What won quality back where the plan was made.
    public var recovery: [RecoveryStep] {
        recipe.first { $0.name == "recovery" }.flatMap { try? RecoveryStep.named($0.value) } ?? []
    }

    /// Checks that what a plan says of how it was made, beyond its entries, is what following it will do.
    /// - Throws: `CompressionError.planOfOtherChoices`, naming the options that make it so.
    func check(against recipe: Recipe, file: String) throws {
        let own = Dictionary(recipe.properties.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        let choices = self.recipe.filter { name, value in
            ["objective", "precision", "seed"].contains(name) && own[name] != value
        }
        guard choices.isEmpty else {
            throw CompressionError.planOfOtherChoices(file: file, choices: choices.map { "--\($0.name) \($0.value)" })
        }
        if let rewrite, !RewriteRecipes.names.contains(rewrite.recipe) {
            throw CompressionError.planMismatch(file: file, reason: "unknown rewrite '\(rewrite.recipe)'")
        }
    }

    /// Checks that every entry is a site of the model with this shape, its family known and its options in bounds.
    /// - Throws: `CompressionError.planMismatch`.
    public func check(against sites: [MatrixSite], file: String) throws {
        let byName = Dictionary(sites.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for entry in entries {
            guard let site = byName[entry.name] else {
                throw CompressionError.planMismatch(file: file, reason: "the model has no matrix '\(entry.name)'")
            }
            guard site.shape == entry.shape else {
                throw CompressionError.planMismatch(
                    file: file, reason: "'\(entry.name)': expected shape \(site.shape), got \(entry.shape)")
            }
            if let reason = Self.objection(to: entry.choice.candidate, of: site) {
                throw CompressionError.planMismatch(file: file, reason: "'\(entry.name)': \(reason)")
            }
        }
    }

    /// What is wrong with a candidate that a person may have written. Fitters check what fits the shape; here sizes are
    /// bounded by the matrix, so that no product of them overflows and nothing larger than twice the matrix is fitted.
    static func objection(to candidate: Candidate, of site: MatrixSite) -> String? {
        guard let source = CandidateSources.find(candidate.family) else {
            return "unknown family '\(candidate.family)'"
        }
        guard Set(candidate.options.keys) == source.optionNames else {
            func list(_ names: some Sequence<String>) -> String {
                let text = names.sorted().joined(separator: ", ")
                return text.isEmpty ? "none" : text
            }
            return "expected the options of \(candidate.family) (\(list(source.optionNames))), got \(list(candidate.options.keys))"
        }
        let largest = max(site.shape.rows, site.shape.columns, 128)
        for (name, value) in candidate.options.sorted(by: { $0.key < $1.key }) where !(1...largest).contains(value) {
            return "option '\(name)': expected 1 to \(largest), got \(value)"
        }
        let cost = source.cost(of: candidate, shape: site.shape, precision: .f32)
        // Trit-planes have a parameter for every weight of every plane, and few bytes of them.
        guard cost.parameters / 2 <= site.shape.count || cost.storedBytes / 8 <= site.shape.count else {
            return "\(candidate.label) has \(cost.parameters) parameters, more than twice the \(site.shape.count) of the matrix"
        }
        return nil
    }
}

extension Plan.Calibration {
    fileprivate init?(json: JSONValue) {
        guard let source = json["source"]?.stringValue, let fingerprint = json["fingerprint"]?.stringValue else { return nil }
        (self.source, self.fingerprint) = (source, fingerprint)
    }
}

extension Plan.Entry {
    var json: JSONValue {
        var options = JSONObject()
        for (name, value) in choice.candidate.options.sorted(by: { $0.key < $1.key }) { options[name] = .integer(Int64(value)) }
        var members: [(String, JSONValue)] = [
            ("name", .string(name)),
            ("shape", [.integer(Int64(shape.rows)), .integer(Int64(shape.columns))]),
            ("family", .string(choice.candidate.family)),
            ("options", .object(options)),
            ("parameters", .integer(Int64(choice.cost.parameters))),
            ("bytes", .integer(Int64(choice.cost.storedBytes))),
            ("multiply_adds", .integer(Int64(choice.cost.multiplyAdds))),
            ("relative_error", .number(choice.relativeError)),
            ("sensitivity", .number(sensitivity)),
        ]
        if let latency {
            members.append(("nanoseconds", .number(latency.nanoseconds)))
            members.append(("nanoseconds_interpolated", .bool(latency.isInterpolated)))
        }
        var object = JSONObject()
        for (name, value) in members { object[name] = value }
        return .object(object)
    }

    init?(json: JSONValue) {
        guard let name = json["name"]?.stringValue, let family = json["family"]?.stringValue,
            let shape = json["shape"]?.arrayValue?.compactMap(\.intValue), shape.count == 2, shape.allSatisfy({ $0 > 0 }),
            let options = json["options"]?.objectValue, let parameters = json["parameters"]?.intValue,
            let bytes = json["bytes"]?.intValue, let multiplyAdds = json["multiply_adds"]?.intValue,
            let error = json["relative_error"]?.doubleValue
        else { return nil }
        var integers: [String: Int] = [:]
        for (key, value) in options {
            guard let integer = value.intValue, (0...Int(Int32.max)).contains(integer) else { return nil }
            integers[key] = integer
        }
        self.init(
            name: name, shape: MatrixShape(rows: shape[0], columns: shape[1]),
            choice: AssessedCandidate(
                candidate: Candidate(family: family, options: integers),
                cost: Cost(parameters: parameters, storedBytes: bytes, multiplyAdds: multiplyAdds), relativeError: error),
            sensitivity: json["sensitivity"]?.doubleValue ?? 0,
            latency: json["nanoseconds"]?.doubleValue.map {
                ProductTime(
                    nanoseconds: $0, isInterpolated: json["nanoseconds_interpolated"]?.boolValue ?? false)
            })
    }
}
