import ArgumentParser
import Compression
import ModelFiles

struct RecipeListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the recipes that ship.",
        discussion: """
            Example:
              tessera recipe list
            """)

    @Flag(help: "Results as JSON.")
    var json = false

    func run() throws {
        let recipes = try MethodRecipes.all()
        if json {
            return try StandardOutput.write(
                .array(
                    recipes.map { recipe in
                        [
                            "name": .string(recipe.name), "title": .string(recipe.title), "source": .string(recipe.source),
                            "method": .string(recipe.methodText), "objective": .string(recipe.objective.rawValue),
                        ]
                    }))
        }
        var table = TextTable([.left, .left, .left, .left])
        for recipe in recipes {
            table.append([recipe.name, recipe.methodText, recipe.objective.rawValue, "\(recipe.title) (\(recipe.source))"])
        }
        try StandardOutput.write(table.text)
    }
}
