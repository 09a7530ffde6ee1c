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
        let narrowing = try RewriteRecipes.all()
        if json {
            return try StandardOutput.write(
                .array(
                    recipes.map { recipe in
                        [
                            "name": .string(recipe.name), "title": .string(recipe.title), "source": .string(recipe.source),
                            "method": .string(recipe.methodText), "objective": .string(recipe.objective.rawValue),
                        ]
                    }
                        + narrowing.map { recipe in
                            [
                                "name": .string(recipe.name), "title": .string(recipe.title),
                                "source": .string(recipe.source), "method": .string(recipe.methodText),
                                "objective": .string("outputs"),
                            ]
                        }))
        }
        var table = TextTable([.left, .left, .left, .left])
        for recipe in recipes {
            table.append([recipe.name, recipe.methodText, recipe.objective.rawValue, "\(recipe.title) (\(recipe.source))"])
        }
        for recipe in narrowing {
            table.append([recipe.name, recipe.methodText, "outputs", "\(recipe.title) (\(recipe.source))"])
        }
        try StandardOutput.write(table.text)
    }
}
