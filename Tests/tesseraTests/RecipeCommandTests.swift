import Compression
import Foundation
import Testing

@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct RecipeCommandTests {
    @Test func shippedRecipesAreListedAndShown() throws {
        let list = try CommandLineTool.run("recipe", "list")
        let document = try #require(try CommandLineTool.run("recipe", "list", "--json").json as? [[String: Any]])
        #expect(document.compactMap { $0["name"] as? String } == MethodRecipes.names + RewriteRecipes.names)
        for name in MethodRecipes.names + RewriteRecipes.names {
            #expect(list.output.contains(name + " "))
            let shown = try CommandLineTool.run("recipe", "show", name)
            #expect(shown.status == 0 && shown.output.hasPrefix("recipe: \(name)\n"))
        }
    }

    @Test func aRecipeFromAFileIsRun() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("mine.yaml").path
            let text = "recipe: mine\ntitle: Mine\nsource: me\nfamily: low-rank\noptions: {rank: 4}\nonly: ['*layers.0*k_proj']\n"
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            let output = folder.appendingPathComponent("out").path
            let result = try CommandLineTool.run("recipe", "run", file, CommandLineTool.tinyLlama, "-o", output, "--quiet")
            #expect(result.status == 0 && result.errors.isEmpty)
            #expect(result.output.hasPrefix("mine: Mine (low-rank rank=4)\n"))
            #expect(try String(contentsOfFile: output + "/recipe.yaml", encoding: .utf8) == text)
            let inspected = try CommandLineTool.run("inspect", output, "--json", "--quiet")
            #expect(inspected.output.contains("low-rank"))

            let again = try CommandLineTool.run("recipe", "run", file, CommandLineTool.tinyLlama, "-o", output)
            #expect(again.errors == "error: \(output): exists and is not empty\n" && again.status == 73)
        }
    }

    @Test func mistakesGiveOneLine() throws {
        let tiny = CommandLineTool.tinyLlama
        let known = NamedRecipe.names.joined(separator: ", ")
        let mistakes: [([String], Int32, String)] = [
            (["show", "gptq"], 64, "unknown recipe 'gptq', expected a YAML file or one of \(known)"),
            (["show", "Makefile.yaml"], 66, "Makefile.yaml: cannot be read: open: No such file or directory"),
            (["run", "wanda", tiny, "-o", "/nowhere/out"], 73, "/nowhere/out: cannot be written: No such file or directory"),
            (["run", "gptq-4bit", tiny, "-o", "/tmp/out", "--size", "50%"], 65, "gptq-4bit: not a recipe: its options fix its size"),
        ]
        for (arguments, status, line) in mistakes {
            let result = try CommandLineTool.run(["recipe"] + arguments)
            #expect(result.errors == "error: \(line)\n")
            #expect(result.status == status && result.output.isEmpty, "\(line)")
        }
    }
}
