import Foundation
import Testing

/// Help texts are part of what users see: every change of one shows in a pinned file. TESSERA_UPDATE_SNAPSHOTS=1 writes
/// the files anew.
@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct HelpTests {
    static let commands = ["", "inspect", "compress", "sweep", "eval", "run", "embed", "export", "compare", "recipe", "families", "bench"]
    /// Of commands that have some.
    static let subcommands = ["bench models", "bench kernels", "bench make-model", "bench calibrate", "bench families", "bench compression", "bench rewrites", "recipe list", "recipe show", "recipe run"]
    static let all = commands + subcommands

    private static func help(_ command: String) throws -> CommandLineTool.Result {
        try CommandLineTool.run(command.split(separator: " ").map(String.init) + ["--help"])
    }

    @Test(arguments: all)
    func helpIsPinned(command: String) throws {
        let result = try Self.help(command)
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        let name = command.isEmpty ? "tessera" : command.replacingOccurrences(of: " ", with: "-")
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

    @Test(arguments: all)
    func helpHasAnExample(command: String) throws {
        let help = try Self.help(command).output
        let example = try #require(help.range(of: "Example"))
        #expect(help[example.upperBound...].contains("tessera \(command)"))
    }

    /// A command that is added must come here too.
    @Test func everyCommandIsListedHere() throws {
        #expect(try Self.listed("") == Set(Self.commands.dropFirst()))
        for command in ["bench", "recipe"] {
            let own = Self.subcommands.filter { $0.hasPrefix(command + " ") }
            #expect(try Self.listed(command) == Set(own.map { String($0.dropFirst(command.count + 1)) }))
        }
    }

    /// The subcommands that a help text names.
    private static func listed(_ command: String) throws -> Set<String> {
        let help = try help(command).output
        let section = try #require(help.range(of: "SUBCOMMANDS:\n"))
        let end = help.range(of: "\n\n", range: section.upperBound..<help.endIndex)?.lowerBound ?? help.endIndex
        return Set(
            help[section.upperBound..<end].split(separator: "\n")
                .filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
                .compactMap { $0.split(separator: " ").first.map(String.init) })
    }
}
