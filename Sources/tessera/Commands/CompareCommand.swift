import ArgumentParser
import Compression
import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors

extension Objective.Kind: ExpressibleByArgument {}
extension SizeShare.Quantity: ExpressibleByArgument {}

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Fits one matrix by every method there is and shows them side by side.",
        discussion: """
            The matrix is a linear one of a model (the first where none is named), or a NumPy file (FILE.npz:NAME for an \
            array of an archive). Every fitter is asked for every size; what cannot serve is listed with its reason. \
            Products are timed in turns with the dense matrix, prepared as models prepare them.

            With calibration, errors are also given under the activations objective, and fits make it small unless \
            --objective says otherwise. For a NumPy file, the calibration is one too: the layer's inputs, one a row.

            Fisher weights are read from an archive, not computed: arrays 'rows' and 'columns' (or 'MATRIX.rows', \
            'MATRIX.columns') hold squared gradients of the loss summed over each output and each input. Where a fitter \
            cannot make such an objective small, L-BFGS goes on from its fit if the family has gradients, and the table names it.

            Examples:
              tessera compare MODEL:encoder.layer.0.attention.self.query --calibration self --plot query.svg
              tessera compare weight.npy --size 50% --by parameters --families low-rank,monarch,blast
            """)

    @Argument(help: ArgumentHelp("MODEL, MODEL:TENSOR, FILE.npy or FILE.npz:NAME.", valueName: "matrix"))
    var matrix: String

    @Option(help: ArgumentHelp("Sizes to fit, shares of the dense matrix separated by commas.", valueName: "shares"))
    var size: String = "25%,50%,70%"

    @Option(help: ArgumentHelp("What --size is a share of: bytes (of f16), parameters or multiply-adds.", valueName: "quantity"))
    var by = SizeShare.Quantity.bytes

    @Option(help: ArgumentHelp(
        "What the fits make small: \(Objective.Kind.allCases.map(\.rawValue).joined(separator: " or ")).", valueName: "objective"))
    var objective: Objective.Kind?

    @Option(help: ArgumentHelp("Calibration: a text file or 'self' for a model, inputs in a NumPy file.", valueName: "file|self"))
    var calibration: String?

    @Option(help: ArgumentHelp("Fisher weights of rows and columns, a NumPy archive.", valueName: "file.npz"))
    var fisher: String?

    @Option(help: ArgumentHelp("Only these families, separated by commas (see 'tessera families').", valueName: "names"))
    var families: String?

    @Option(help: ArgumentHelp("Only these fitters, separated by commas.", valueName: "names"))
    var fitters: String?

    @Option(help: ArgumentHelp("Batch sizes to time products at, separated by commas.", valueName: "numbers"))
    var batch: String = "1,64"

    @Option(help: ArgumentHelp("How factors and the dense matrix are stored: f16, bf16 or f32.", valueName: "precision"))
    var precision: Precision = .f16

    @Option(help: "Seed of every random choice.")
    var seed: UInt64 = 0

    @Option(help: ArgumentHelp("Write error against bytes and against time as a drawing.", valueName: "file.svg"))
    var plot: String?

    @Option(help: ArgumentHelp("Write the weight and every fit, multiplied out, as NumPy arrays.", valueName: "file.npz"))
    var npz: String?

    @OptionGroup var runtime: RuntimeOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        _ = try CommaSeparated.names(size, option: "--size")
        _ = try CommaSeparated.names(families, option: "--families")
        _ = try CommaSeparated.names(fitters, option: "--fitters")
        _ = try batches
    }

    func run() throws {
        let comparison = MatrixComparison(
            methods: try SizedMethod.named(
                families: try CommaSeparated.names(families, option: "--families"),
                fitters: try CommaSeparated.names(fitters, option: "--fitters")),
            sizes: try CommaSeparated.names(size, option: "--size").map { try SizeShare($0, of: by) },
            objective: objective ?? richestObjective, precision: precision,
            batches: try batches, activations: runtime.preparation.activations, seed: seed)
        let display = ProgressDisplay(quiet: common.quiet)
        let result = try comparison.run(subject(display), context: common.context) { display($0) }
        _ = display.finish()
        if let plot { try AtomicFile.write(result.svg, to: plot) }
        if let npz { try NumPyArchive.write(result.arrays, to: npz) }
        if common.json { try StandardOutput.write(result.json) } else { try StandardOutput.write(result.text) }
    }

    /// Made of all the statistics given.
    private var richestObjective: Objective.Kind {
        switch (calibration, fisher) {
        case (nil, nil): .frobenius
        case (_?, nil): .activations
        case (nil, _?): .fisher
        case (_?, _?): .activationsAndFisher
        }
    }

    private var batches: [Int] {
        get throws { try CommaSeparated.integers(batch, in: 1...BatchSizes.largest, option: "--batch") }
    }

    private func subject(_ display: ProgressDisplay) throws -> ComparisonSubject {
        let fisher = try fisher.map { try FisherArchive(file: $0) }
        if ComparisonSubject.isNumPy(matrix) {
            if calibration == "self" {
                throw CommandError.conflictingOptions("--calibration: a NumPy file needs its inputs as one, got 'self'")
            }
            return try ComparisonSubject(numPy: matrix, inputs: calibration, fisher: fisher)
        }
        let argument = FileArgument(matrix)
        _ = try ModelFolder(path: argument.path)
        return try ComparisonSubject(
            model: argument.path, matrix: argument.name, calibration: calibration.map { $0 == "self" ? .own : .file($0) },
            fisher: fisher, seed: seed, context: common.context, progress: { display($0) })
    }
}
