import ArgumentParser

struct Tessera: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera",
        abstract: "Finds the structure in neural networks' weight matrices and uses it.",
        discussion: """
            Models are Hugging Face folders (config.json, tokenizer.json, safetensors). Results go to standard output, \
            everything else to standard error.

            Example:
              tessera compress MODEL --size 50% --calibration sentences.txt -o SMALL
              tessera eval SMALL --against MODEL --text other-sentences.txt
            """,
        version: "0.1.0",
        subcommands: [
            InspectCommand.self,
            CompressCommand.self,
            SweepCommand.self,
            EvalCommand.self,
            RunCommand.self,
            EmbedCommand.self,
            ExportCommand.self,
            CompareCommand.self,
            RecipeCommand.self,
            FamiliesCommand.self,
            BenchCommand.self,
        ])
}

@main
enum Main {
    static func main() {
        ErrorRendering.run(Tessera.self)
    }
}
