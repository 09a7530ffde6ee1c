import Fitting
import Foundation
import StructuredMatrices
import Tensors
import Yams

extension MethodRecipe {
    private static let keys = [
        "recipe", "title", "source", "family", "options", "fitter", "size", "of", "bits", "objective", "precision", "only",
        "except", "notes",
    ]

    /// Reads a recipe file.
    /// - Throws: `CompressionError.recipeUnreadable`, `TensorError.fileNotReadable`.
    public static func read(file: String) throws -> MethodRecipe {
        let text = try RecipeFields.text(file: file)
        return try MethodRecipe(yaml: text, file: file)
    }

    /// - Parameter file: where the text is from, for messages.
    /// - Throws: `CompressionError.recipeUnreadable`.
    init(yaml text: String, file: String) throws {
        let fields = try RecipeFields(text, file: file, known: Self.keys)
        name = try fields.text("recipe")
        title = try fields.text("title")
        source = try fields.text("source")
        notes = try fields.optionalText("notes")
        objective = try fields.choice("objective") ?? .frobenius
        precision = try fields.choice("precision") ?? .f16
        only = try fields.texts("only")
        except = try fields.texts("except")
        self.text = text
        switch (try fields.optionalText("fitter"), try fields.optionalText("family")) {
        case (let fitter?, nil):
            guard Fitters.fitter(named: fitter) != nil else {
                throw fields.problem("unknown fitter '\(fitter)', see 'tessera families'")
            }
            try fields.refuse("options", with: "fitter")
            method = .fitter(fitter, try Self.size(fields))
        case (nil, let family?):
            guard let candidates = CandidateSources.find(family) else {
                throw fields.problem("unknown family '\(family)', expected one of \(CandidateSources.names.joined(separator: ", "))")
            }
            for key in ["size", "of", "bits"] { try fields.refuse(key, with: "family") }
            let options = try fields.integers("options")
            guard Set(options.keys) == candidates.optionNames else {
                let names = candidates.optionNames.sorted().joined(separator: ", ")
                throw fields.problem("options: expected \(names), got \(options.keys.sorted().joined(separator: ", "))")
            }
            method = .candidate(Candidate(family: family, options: options))
        default: throw fields.problem("expected a fitter or a family, one of them")
        }
    }

    private static func size(_ fields: RecipeFields) throws -> SizeShare {
        if let bits = try fields.integer("bits", in: 1...16) {
            for key in ["size", "of"] { try fields.refuse(key, with: "bits") }
            return .bits(bits)
        }
        guard let share = try fields.optionalText("size") else { throw fields.problem("a size or bits are missing") }
        let quantity: SizeShare.Quantity = try fields.choice("of") ?? .bytes
        do {
            return try SizeShare(share, of: quantity)
        } catch {
            throw fields.problem("\(error)")
        }
    }
}

/// The members of a recipe's mapping, read strictly: unknown keys and other kinds of values are refused.
struct RecipeFields {
    /// Recipes are short; this also bounds how deep a hostile file can nest.
    static let byteLimit = 4096

    /// The text of a recipe file.
    /// - Throws: `CompressionError.recipeUnreadable`, `TensorError.fileNotReadable`.
    static func text(file: String) throws -> String {
        let storage = try TensorStorage(mapping: file)
        guard storage.byteCount <= byteLimit else {
            throw CompressionError.recipeUnreadable(
                file: file, reason: "\(storage.byteCount) bytes, at most \(byteLimit) are allowed")
        }
        guard let text = storage.withBytes({ String(validating: $0, as: UTF8.self) }) else {
            throw CompressionError.recipeUnreadable(file: file, reason: "not UTF-8 text")
        }
        return text
    }

    private let file: String
    private let members: [String: Node]

    init(_ text: String, file: String, known: [String]) throws {
        self.file = file
        func problem(_ reason: String) -> CompressionError { .recipeUnreadable(file: file, reason: reason) }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw problem("not YAML: \("\(error)".split(whereSeparator: \.isNewline).joined(separator: " "))")
        }
        guard let mapping = root?.mapping else { throw problem("expected a mapping of names to values") }
        var members: [String: Node] = [:]
        for (key, value) in mapping {
            guard let name = key.scalar?.string, known.contains(name) else {
                throw problem("unknown key '\(key.scalar?.string ?? "not a text")', expected some of \(known.joined(separator: ", "))")
            }
            guard members.updateValue(value, forKey: name) == nil else { throw problem("'\(name)' occurs twice") }
        }
        self.members = members
    }

    func problem(_ reason: String) -> CompressionError { .recipeUnreadable(file: file, reason: reason) }

    func optionalText(_ key: String) throws -> String? {
        guard let node = members[key] else { return nil }
        guard let text = node.scalar?.string, !text.isEmpty else { throw problem("\(key): expected a text") }
        return text
    }

    func text(_ key: String) throws -> String {
        guard let text = try optionalText(key) else { throw problem("'\(key)' is missing") }
        return text
    }

    func texts(_ key: String) throws -> [String] {
        guard let node = members[key] else { return [] }
        guard let sequence = node.sequence else { throw problem("\(key): expected a list of texts") }
        return try sequence.map {
            guard let text = $0.scalar?.string else { throw problem("\(key): expected a list of texts") }
            return text
        }
    }

    func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let node = members[key] else { return nil }
        guard let number = node.scalar.flatMap({ Int($0.string) }), range.contains(number) else {
            throw problem("\(key): expected a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func integers(_ key: String) throws -> [String: Int] {
        guard let node = members[key] else { return [:] }
        guard let mapping = node.mapping else { throw problem("\(key): expected names and whole numbers") }
        var numbers: [String: Int] = [:]
        for (name, value) in mapping {
            guard let name = name.scalar?.string, let number = value.scalar.flatMap({ Int($0.string) }),
                (1...Int(Int32.max)).contains(number)
            else { throw problem("\(key): expected names and whole numbers from 1") }
            numbers[name] = number
        }
        return numbers
    }

    func choice<Value: RawRepresentable & CaseIterable>(_ key: String) throws -> Value? where Value.RawValue == String {
        guard let text = try optionalText(key) else { return nil }
        guard let value = Value(rawValue: text) else {
            let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw problem("\(key): expected one of \(known), got '\(text)'")
        }
        return value
    }

    func refuse(_ key: String, with other: String) throws {
        if members[key] != nil { throw problem("'\(key)' and '\(other)' exclude each other") }
    }
}
