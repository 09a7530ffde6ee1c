import ArgumentParser

struct RecipeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recipe",
        abstract: "Lists, shows and runs recipes: one method each, with the choices of its paper.",
        discussion: """
            A recipe is a short YAML file: a fitter with a size, or a family with its options, the objective, and which \
            matrices. Recipes that ship are built into the program; 'show' writes one out as a start for your own.

            Example:
              tessera recipe list
              tessera recipe show gptq-4bit
              tessera recipe run gptq-4bit MODEL --calibration self -o SMALL
            """,
        subcommands: [RecipeListCommand.self, RecipeShowCommand.self, RecipeRunCommand.self])
}
