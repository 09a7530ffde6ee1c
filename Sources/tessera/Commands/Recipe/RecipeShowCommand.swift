import ArgumentParser
import Compression

struct RecipeShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Writes a recipe to standard output.",
        discussion: """
            Example:
              tessera recipe show wanda-2of4 > mine.yaml
            """)

    @Argument(help: ArgumentHelp("A recipe that ships, or a YAML file.", valueName: "recipe"))
    var recipe: String

    func run() throws {
        try StandardOutput.write(try NamedRecipe(recipe).text)
    }
}
