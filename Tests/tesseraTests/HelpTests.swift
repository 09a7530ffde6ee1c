import Foundation
import Testing

/// Help texts are part of what users see: every change of one shows in a pinned file. TESSERA_UPDATE_SNAPSHOTS=1 writes
/// the files anew.
@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct HelpTests {
    static let commands = ["", "inspect", "compress", "eval", "run", "embed", "export", "families", "bench"]

    @Test(arguments: commands)
    func helpIsPinned(command: String) throws {
        let result = try CommandLineTool.run((command.isEmpty ? [] : [command]) + ["--help"])
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        let name = command.isEmpty ? "tessera" : command
        if ProcessInfo.processInfo.environment["TESSERA_UPDATE_SNAPSHOTS"] == "1" {
            let file = CommandLineTool.packageRoot.appendingPathComponent("Tests/tesseraTests/Resources/help/\(name).txt")
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(result.output.utf8).write(to: file)
            return
        }
        let pinned = try #require(Bundle.module.url(forResource: name, withExtension: "txt", subdirectory: "Resources/help"))
        #expect(result.output == (try String(contentsOf: pinned, encoding: .utf8)))
    }

    @Test(arguments: commands)
    func helpHasAnExample(command: String) throws {
        let help = try CommandLineTool.run((command.isEmpty ? [] : [command]) + ["--help"]).output
        let example = try #require(help.range(of: "Example"))
        #expect(help[example.upperBound...].contains("tessera \(command)"))
    }

    /// A command that is added must come here too.
    @Test func everyCommandIsListedHere() throws {
        let help = try CommandLineTool.run("--help").output
        let section = try #require(help.range(of: "SUBCOMMANDS:\n"))
        let end = help.range(of: "\n\n", range: section.upperBound..<help.endIndex)?.lowerBound ?? help.endIndex
        let names = help[section.upperBound..<end].split(separator: "\n")
            .filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
            .compactMap { $0.split(separator: " ").first.map(String.init) }
        #expect(Set(names) == Set(Self.commands.dropFirst()))
    }
}
