import ArgumentParser
import Benchmarking
import Compression
import ModelFiles
import Tensors

struct BenchMakeModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "make-model",
        abstract: "Writes a model folder of real shapes with random weights, to time.",
        discussion: """
            It loads and runs like any other model, here and in Hugging Face transformers (f32, bf16, f16), \
            and says nothing sensible. The same seed gives the same bytes. Sizes: \(sizes).

            Example:
              tessera bench make-model RANDOM-110M --kind llama --parameters 110M --precision int8
              tessera bench RANDOM-110M
            """)

    private static var sizes: String {
        RandomModelShape.Kind.allCases
            .map { kind in "\(kind.rawValue) \(RandomModelShape.sizes(of: kind).joined(separator: ", "))" }
            .joined(separator: "; ")
    }

    @Argument(help: "The folder to write.")
    var output: String

    @Option(help: "llama (writes text) or bert (embeds sentences).")
    var kind: RandomModelShape.Kind

    @Option(help: ArgumentHelp("About how many, by name: 110M.", valueName: "size"))
    var parameters: String

    @Option(help: "f32, bf16, f16, or int8, int4 in groups of 32.")
    var precision: RandomModel.Storage = .f16

    @Option(help: ArgumentHelp("Of the random numbers.", valueName: "n"))
    var seed: UInt64 = 0

    @Flag(help: "Replace a folder that is there.")
    var force = false

    @OptionGroup var common: CommonOptions

    private func shape() throws -> RandomModelShape {
        guard let shape = RandomModelShape.named(parameters, kind: kind) else {
            let known = RandomModelShape.sizes(of: kind).joined(separator: ", ")
            throw ValidationError(
                "--parameters: expected one of \(known) for \(kind.rawValue), got '\(parameters)'")
        }
        return shape
    }

    func validate() throws {
        _ = try shape()
        guard !output.isEmpty else { throw ValidationError("<output>: expected a path, got none") }
    }

    func run() throws {
        let model = RandomModel(shape: try shape(), storage: precision, seed: seed)
        let progress = ProgressDisplay(quiet: common.quiet)
        let bytes: Int
        do {
            bytes = try model.write(to: output, replacing: force, context: common.context) { done, total in
                progress(CompressionProgress(stage: "write", done: done, total: total))
            }
        } catch ModelFileError.destinationExists(let path) {
            throw CommandError.outputExists(path: path)
        }
        _ = progress.finish()
        if common.json {
            try StandardOutput.write(
                [
                    "model": .string(output), "kind": .string(kind.rawValue),
                    "parameters": .string(parameters),
                    "precision": .string(precision.rawValue), "bytes": JSONValue(bytes),
                ])
        } else {
            try StandardOutput.write(
                "\(output): \(kind.rawValue) \(parameters), \(precision.rawValue), \(FigureText.bytes(bytes))\n"
            )
        }
    }
}

extension RandomModelShape.Kind: ExpressibleByArgument {}
extension RandomModel.Storage: ExpressibleByArgument {}
