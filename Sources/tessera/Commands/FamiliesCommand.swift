import ArgumentParser
import Fitting
import ModelFiles
import StructuredMatrices

struct FamiliesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "families",
        abstract: "Lists the structures a matrix can have and the methods that fit them.",
        discussion: """
            Example:
              tessera families
            """)

    @Flag(help: "Results as JSON.")
    var json = false

    func run() throws {
        if json {
            try StandardOutput.write(.array(Families.all.map { Self.document($0.family) }))
            return
        }
        let blocks = Families.all.map { $0.family }.map { family in
            var table = TextTable([.left, .left])
            for method in Self.methods(family) {
                table.append(["    " + method.name, "\(method.summary) (\(method.source))"])
            }
            return "\(family.name): \(family.summary) (\(family.source))\n\(table.text)"
        }
        try StandardOutput.write(blocks.joined(separator: "\n"))
    }

    private static func methods(_ family: Family) -> [FittingMethod] {
        Fitters.methods.filter { $0.family.name == family.name }
    }

    private static func document(_ family: Family) -> JSONValue {
        [
            "name": .string(family.name), "summary": .string(family.summary), "source": .string(family.source),
            "fitters": .array(
                methods(family).map { method in
                    [
                        "name": .string(method.name), "summary": .string(method.summary),
                        "source": .string(method.source),
                        "objectives": .array(method.objectives.map { .string($0.rawValue) }),
                    ]
                }),
        ]
    }
}
