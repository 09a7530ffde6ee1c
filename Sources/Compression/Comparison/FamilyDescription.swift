import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// What is known of a registered family, gathered from the registries and from one small matrix of it.
public struct FamilyDescription: Sendable {
    public let family: Family
    /// The tensors that a checkpoint stores, by name; what a matrix of another shape or size stores may be called the same.
    public let tensors: [String]
    /// The integers stored beside them.
    public let attributes: [String]
    public let methods: [FittingMethod]
    /// How `compress` uses the family; nil where it does not.
    public let candidates: Candidates?

    public struct Candidates: Sendable {
        /// The integers that a candidate is told apart by.
        public let options: [String]
        /// The budgets under which the family takes part without being named: "bytes", "multiply-adds of encoders".
        public let defaultBudgets: [String]
        /// Whether those are all that the family serves.
        public let isAlwaysDefault: Bool

        init(_ source: any CandidateSource) {
            options = source.optionNames.sorted()
            let served = Budget.Quantity.allCases.filter(source.serves)
            defaultBudgets = served.compactMap { quantity in
                guard source.isDefault(for: quantity, inBatches: true) else { return nil }
                return source.isDefault(for: quantity, inBatches: false) ? quantity.rawValue : "\(quantity.rawValue) of encoders"
            }
            isAlwaysDefault = defaultBudgets == served.map(\.rawValue)
        }
    }

    /// Every registered family, in the order of the registry.
    public static var all: [FamilyDescription] { Families.all.map { FamilyDescription($0.family) } }

    private init(_ family: Family) {
        self.family = family
        methods = Fitters.methods.filter { $0.family.name == family.name }
        let source = CandidateSources.all.first { $0.family.name == family.name }
        candidates = source.map(Candidates.init)
        let specimen = Self.specimen(of: family, source)
        tensors = (try? specimen?.tensors.map(\.name)) ?? []
        attributes = specimen?.attributes.values.keys.sorted() ?? []
    }

    /// A small matrix of the family: a candidate's specimen, or what the first fitter that serves makes.
    private static func specimen(of family: Family, _ source: (any CandidateSource)?) -> (any StructuredMatrix)? {
        let shape = MatrixShape(rows: 64, columns: 64)
        let site = MatrixSite(name: family.name, shape: shape, role: .linear, input: nil)
        for quantity in [Budget.Quantity.bytes, .multiplyAdds] {
            if let source, source.serves(quantity),
                let candidate = source.candidates(for: site, quantity: quantity, precision: .f16).first,
                let specimen = try? source.specimen(candidate, shape: shape, precision: .f16)
            {
                return specimen
            }
        }
        var generator = SeededGenerator(seed: 0, stream: family.name)
        let weight = Matrix.random(rows: shape.rows, columns: shape.columns, using: &generator)
        for fitter in Fitters.all where fitter.method.family.name == family.name {
            for size in [SizeBudget.fraction(0.5), .fraction(1)] {
                let context = FitContext(name: family.name, precision: .f16)
                if let fit = try? fitter.fitAny(weight, objective: .frobenius, size: size, context: context) {
                    return fit.matrix
                }
            }
        }
        return wrapped(Dense(weight)).first { $0.family.name == family.name }
    }

    /// Families that change another matrix, which no fitter makes by themselves.
    private static func wrapped(_ matrix: Dense) -> [any StructuredMatrix] {
        let (rows, columns) = (matrix.shape.rows, matrix.shape.columns)
        let permuted = try? PermutedMatrix(
            matrix, rowOrder: Array((0..<rows).reversed()), columnOrder: Array((0..<columns).reversed()))
        let ones = { Factor([Float](repeating: 1, count: $0), shape: [$0], precision: .f16) }
        let scaled = try? ScaledMatrix(matrix, rowScales: ones(rows), columnScales: ones(columns))
        let wrapped: [(any StructuredMatrix)?] = [permuted, scaled, try? RowBlocks([matrix])]
        return wrapped.compactMap { $0 }
    }

    /// A matrix's attributes as JSON.
    static func attributes(_ matrix: any StructuredMatrix) -> JSONValue {
        var object = JSONObject()
        for (name, value) in matrix.attributes.values.sorted(by: { $0.key < $1.key }) {
            object[name] = JSONValue(integer: value)
        }
        return .object(object)
    }
}

extension FamilyDescription {
    public var json: JSONValue {
        var object = JSONObject()
        object["name"] = .string(family.name)
        object["summary"] = .string(family.summary)
        object["source"] = .string(family.source)
        object["tensors"] = .array(tensors.map { .string($0) })
        object["attributes"] = .array(attributes.map { .string($0) })
        object["fitters"] = .array(
            methods.map { method in
                [
                    "name": .string(method.name), "summary": .string(method.summary), "source": .string(method.source),
                    "objectives": .array(method.objectives.map { .string($0.rawValue) }),
                ]
            })
        object["candidates"] = candidates.map { candidates in
            [
                "options": .array(candidates.options.map { .string($0) }),
                "default_for": .array(candidates.defaultBudgets.map { .string($0) }),
            ]
        } ?? .null
        return .object(object)
    }

    /// A word on how `compress` uses the family.
    private var use: String {
        guard let candidates else { return "no" }
        guard !candidates.isAlwaysDefault else { return "yes" }
        return candidates.defaultBudgets.isEmpty
            ? "when named" : "for \(candidates.defaultBudgets.joined(separator: " and "))"
    }

    /// For a terminal; ends with a line end.
    package var text: String {
        var lines = ["\(family.name): \(family.summary) (\(family.source))"]
        lines.append("    stores \(Self.list(tensors)); attributes \(Self.list(attributes)); in compress: \(use)")
        let width = methods.map(\.name.count).max() ?? 0
        for method in methods {
            let name = method.name + String(repeating: " ", count: width - method.name.count)
            lines.append("    \(name)  \(method.summary); makes small: \(Self.list(method.objectives.map(\.rawValue))) (\(method.source))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func list(_ names: [String]) -> String { names.isEmpty ? "none" : names.joined(separator: ", ") }

    /// The page Docs/families.md.
    package static func markdown(_ all: [FamilyDescription]) -> String {
        var lines = [
            "# Families and fitters", "",
            "Generated by `make families` from the registries; a test checks that it is current.", "",
            "A family is a structure that a matrix can have; a fitter is a way to it from a dense weight, and makes one or more",
            "objectives small. Every fitter accepts every objective and reports its error under the one it was given.", "",
            "## Families", "",
            "| family | structure | stores | attributes | in `compress` | source |", "|---|---|---|---|---|---|",
        ]
        lines += all.map { entry in
            row([
                "`\(entry.family.name)`", entry.family.summary, list(entry.tensors), list(entry.attributes), entry.use,
                entry.family.source,
            ])
        }
        lines += ["", "## Fitters", "", "| fitter | family | method | makes small | source |", "|---|---|---|---|---|"]
        lines += all.flatMap { entry in
            entry.methods.map { method in
                row([
                    "`\(method.name)`", "`\(entry.family.name)`", method.summary,
                    list(method.objectives.map(\.rawValue)), method.source,
                ])
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func row(_ cells: [String]) -> String {
        "| " + cells.map { $0.replacingOccurrences(of: "|", with: "\\|") }.joined(separator: " | ") + " |"
    }
}
