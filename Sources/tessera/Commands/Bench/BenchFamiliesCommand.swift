import ArgumentParser
import Compression
import Fitting
import ModelFiles
import Tensors
import Transformers

struct BenchFamiliesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "families",
        abstract: "Fits all linear matrices of an encoder by every method there is and measures what is left of it.",
        discussion: """
            For every fitter and size: Spearman correlation x 100 on the scored pairs, overlap of the ten nearest \
            neighbours and mean cosine against the dense model on their sentences, the errors of every matrix under each \
            objective, the seconds of all fits and the peak memory of fitting the largest matrix. Methods that keep a code \
            for every weight are also asked for --bits: as many bits each, and a 16-bit scale for every 32.

            The file of results is written after every method. Started again, the command measures what the file lacks; \
            what a fitter refuses is a row with its error. Where a fitter cannot make an objective of Fisher weights small, \
            L-BFGS goes on from its fit if the family has gradients, and the row names it.

            Example:
              tessera bench families minilm --sts dev.csv -o Results/families-minilm.json
            """)

    @Argument(help: "The model folder, an encoder.")
    var model: String

    @Option(help: ArgumentHelp("Rows of sentence,sentence,score.", valueName: "file"))
    var sts: String

    @Option(name: [.short, .long], help: ArgumentHelp("The file of results, read first where it is there.", valueName: "file"))
    var output: String

    @Option(help: ArgumentHelp("Sizes to fit, shares of the dense matrices separated by commas.", valueName: "shares"))
    var size: String = "50%"

    @Option(help: ArgumentHelp("What --size is a share of: bytes (of f16), parameters or multiply-adds.", valueName: "quantity"))
    var by = SizeShare.Quantity.parameters

    @Option(help: ArgumentHelp("Bits for methods that keep a code for every weight, separated by commas.", valueName: "numbers"))
    var bits: String = "8,4,3,2"

    @Option(help: ArgumentHelp("Only these families, separated by commas (see 'tessera families').", valueName: "names"))
    var families: String?

    @Option(help: ArgumentHelp("Only these fitters, separated by commas.", valueName: "names"))
    var fitters: String?

    @Option(help: ArgumentHelp("Measure these fitters anew, separated by commas.", valueName: "names"))
    var again: String?

    @Option(help: ArgumentHelp("Calibration text: a file, one sentence a line, or 'self'.", valueName: "file|self"))
    var calibration: String = "self"

    @Option(help: ArgumentHelp(
        "Fisher weights, a NumPy archive with MATRIX.rows and MATRIX.columns for every matrix.", valueName: "file.npz"))
    var fisher: String?

    @Option(help: ArgumentHelp(
        "What the fits make small: \(Objective.Kind.allCases.map(\.rawValue).joined(separator: " or ")).", valueName: "objective"))
    var objective = Objective.Kind.activations

    @Option(help: ArgumentHelp("How factors are stored: f16, bf16 or f32.", valueName: "precision"))
    var precision: Precision = .f16

    @Option(help: "Seed of every random choice.")
    var seed: UInt64 = 0

    @OptionGroup var common: CommonOptions

    func validate() throws {
        for (text, option) in [(families, "--families"), (fitters, "--fitters"), (again, "--again"), (size, "--size")] {
            _ = try CommaSeparated.names(text, option: option)
        }
        _ = try CommaSeparated.integers(bits, in: 1...16, option: "--bits")
    }

    func run() throws {
        _ = try LoadedModel.open(model).encoder(for: "bench families")
        let display = ProgressDisplay(quiet: common.quiet)
        let study = MethodStudy(
            model: model, pairs: sts, calibration: calibration == "self" ? .own : .file(calibration),
            fisher: try fisher.map { try FisherArchive(file: $0) },
            methods: try SizedMethod.named(
                families: try CommaSeparated.names(families, option: "--families"),
                fitters: try CommaSeparated.names(fitters, option: "--fitters")),
            sizes: try CommaSeparated.names(size, option: "--size").map { try SizeShare($0, of: by) },
            bits: try CommaSeparated.integers(bits, in: 1...16, option: "--bits"), objective: objective, precision: precision,
            seed: seed, output: output, again: try CommaSeparated.names(again, option: "--again"), context: common.context,
            progress: { display($0) })
        let results = try study.run()
        _ = display.finish()
        if common.json { try StandardOutput.write(results.json) } else { try StandardOutput.write(results.text) }
    }
}
