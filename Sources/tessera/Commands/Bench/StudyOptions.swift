import ArgumentParser
import Compression

/// What studies of whole models take alike.
struct StudyOptions: ParsableArguments {
    @Option(name: [.short, .long], help: ArgumentHelp("The file of results, read first where it is there.", valueName: "file"))
    var output: String

    @OptionGroup var evaluation: EvaluationOptions

    @Option(help: ArgumentHelp("Calibration text: a file (encoders: one sentence a line), or 'self'.", valueName: "file|self"))
    var calibration: String = "self"

    @Option(help: ArgumentHelp("What the program was built from, for the rows.", valueName: "text"))
    var commit = ""

    @Option(help: "Seed of every random choice.")
    var seed: UInt64 = 0

    var source: CalibrationSource { CalibrationSource(calibration) }

    /// - Throws: `ValidationError` where there is nothing to measure on.
    func checkEvaluation(_ command: String) throws {
        guard evaluation.text != nil || evaluation.sts != nil else {
            throw ValidationError("\(command): expected --text FILE or --sts FILE")
        }
    }
}
