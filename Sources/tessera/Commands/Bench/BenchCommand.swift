import ArgumentParser

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Times models, products of single matrices, or measures what fitters leave of a model.",
        discussion: """
            Everything that is compared takes turns within one run, and medians are reported, so that a \
            slow moment of the machine falls on all alike. Without a subcommand, models are timed.

            Example:
              tessera bench MODEL SMALLER-MODEL
              tessera bench kernels --shapes 1024x1024 --batch 1,64
              tessera bench calibrate MODEL
              tessera bench families MODEL --sts pairs.csv -o results.json
              tessera bench compression MODEL --sts pairs.csv -o compression.json
              tessera bench make-model RANDOM --kind llama --parameters 110M
            """,
        subcommands: [
                BenchModelsCommand.self, BenchKernelsCommand.self, BenchMakeModelCommand.self, BenchCalibrateCommand.self,
                BenchFamiliesCommand.self, BenchCompressionCommand.self, BenchRewritesCommand.self,
            ],
        defaultSubcommand: BenchModelsCommand.self)

    /// Subcommands may be written as options, `bench --make-model` as `bench make-model`.
    static func spelledOut(_ arguments: [String]) -> [String] {
        guard arguments.count > 1, arguments[0] == configuration.commandName, arguments[1].hasPrefix("--")
        else {
            return arguments
        }
        let name = String(arguments[1].dropFirst(2))
        guard configuration.subcommands.contains(where: { $0.configuration.commandName == name }) else {
            return arguments
        }
        return [arguments[0], name] + arguments.dropFirst(2)
    }
}
