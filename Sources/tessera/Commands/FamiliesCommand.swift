import ArgumentParser
import Compression
import ModelFiles

struct FamiliesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "families",
        abstract: "Lists the structures a matrix can have and the methods that fit them.",
        discussion: """
            For each family: what a checkpoint stores of it, whether 'compress' takes it, and its fitters with the \
            objectives that they make small.

            Example:
              tessera families
            """)

    @Flag(help: "Results as JSON.")
    var json = false

    @Flag(help: "The page Docs/families.md.")
    var markdown = false

    func validate() throws {
        if json, markdown { throw ValidationError("families: --json and --markdown exclude each other") }
    }

    func run() throws {
        let families = FamilyDescription.all
        if json {
            try StandardOutput.write(.array(families.map(\.json)))
        } else if markdown {
            try StandardOutput.write(FamilyDescription.markdown(families))
        } else {
            try StandardOutput.write(families.map(\.text).joined(separator: "\n"))
        }
    }
}
