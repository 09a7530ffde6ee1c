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

    @Option(help: ArgumentHelp("With --markdown: what 'bench families' measured, for the page's last table.", valueName: "file"))
    var results: String?

    func validate() throws {
        if json, markdown { throw ValidationError("families: --json and --markdown exclude each other") }
        if results != nil, !markdown { throw ValidationError("families: --results is for --markdown") }
    }

    func run() throws {
        let families = FamilyDescription.all
        if json {
            try StandardOutput.write(.array(families.map(\.json)))
        } else if markdown {
            let measured = try results.map { try "\n" + StudyResults.markdown(file: $0, named: $0) } ?? ""
            try StandardOutput.write(FamilyDescription.markdown(families) + measured)
        } else {
            try StandardOutput.write(families.map(\.text).joined(separator: "\n"))
        }
    }
}
