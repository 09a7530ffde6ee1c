import ArgumentParser
import Compression
import Foundation
import ModelFiles
import Tensors
import Transformers

struct BenchCalibrateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrate",
        abstract: "Measures what models and their products cost on this machine, for compress --latency.",
        discussion: """
            Times the dense model, and a product of every family at each of its shapes and several sizes, in \
            turns with the dense product; sizes between are interpolated. Weights come from as far away as they \
            would in the model: other weights take turns with them. What is found is kept in a table of this \
            machine (processor, instruction set, threads, kernels), where compress --latency looks it up; what \
            is there already is not timed again.

            Example:
              tessera bench calibrate MODEL --batch 1,64 --threads 2
            """)

    @Argument(help: "Model folders.")
    var models: [String]

    @Option(help: ArgumentHelp("Texts or sentences together, separated by commas.", valueName: "list"))
    var batch = "1,64"

    @Option(
        help: ArgumentHelp(
            "Families, separated by commas: \(CandidateSources.names.joined(separator: ", ")).",
            valueName: "names"))
    var families: String?

    @Option(help: ArgumentHelp("How factors are stored: f16, bf16 or f32.", valueName: "precision"))
    var precision = Precision.f16

    @Option(
        help: ArgumentHelp("The table's file; this machine's cache where none is named.", valueName: "file"))
    var table: String?

    @Flag(help: "Time again what the table holds already.")
    var again = false

    @OptionGroup var common: CommonOptions

    private var batches: [Int] {
        get throws {
            let counts = batch.split(separator: ",", omittingEmptySubsequences: false).map {
                Int($0.trimmingCharacters(in: .whitespaces))
            }
            let known = counts.compactMap { $0 }.filter { (1...BatchSizes.largest).contains($0) }
            guard known.count == counts.count else {
                throw ValidationError(
                    "--batch: expected numbers from 1 to \(BatchSizes.largest), got '\(batch)'")
            }
            return known
        }
    }

    func validate() throws {
        _ = try batches
        guard !models.isEmpty else { throw ValidationError("bench calibrate: expected a model folder") }
    }

    func run() throws {
        let names =
            families.map { $0.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } } ?? []
        var results: [Result] = []
        for folder in models {
            let files = try ModelFolder(path: folder)
            guard !files.configuration.isCompressed else {
                throw CompressionError.alreadyCompressed(folder: folder)
            }
            let model = try LoadedModel.load(folder).model
            for batch in try batches {
                let display = ProgressDisplay(quiet: common.quiet)
                var preparation = LatencyPreparation(
                    model: model, configuration: try CompressionJob.configurationName(files), families: names,
                    precision: precision, batch: batch, file: table, context: common.context,
                    progress: { display($0) })
                preparation.isRenewing = again
                results.append(Result(model: folder, batch: batch, prepared: try preparation.prepare()))
                _ = display.finish()
            }
        }
        if common.json { return try StandardOutput.write(.array(results.map { $0.json })) }
        try StandardOutput.write(results.map { $0.text }.joined(separator: "\n"))
    }
}

/// One model at one batch: what it takes, and what its products do.
private struct Result {
    let model: String
    let batch: Int
    let prepared: LatencyPreparation.Prepared

    private var prediction: LatencyPrediction { prepared.prediction }

    /// What was timed of what is looked up, with the dense product of the same shape and precision.
    private var timed: [(key: ProductKey, time: Double, dense: Double?)] {
        prepared.keys.compactMap { key in
            prediction.table.products[key].map { time in
                var dense = key
                dense.candidate = Candidate(family: "dense")
                return (key, time, prediction.table.products[dense])
            }
        }
    }

    var text: String {
        let rest = prediction.rest / prediction.dense
        var text =
            "\(model), \(prediction.table.machine)\n"
            + "\(LatencyPrediction.text(prediction.dense)) a \(prediction.workload.unit), "
            + "\(FigureText.percent(rest)) of it outside products; "
            + "\(prediction.workload.rows) rows a product\n"
        var table = TextTable([.left, .left, .left, .right, .right])
        table.append(["shape", "form", "precision", "time", "of dense"])
        for (key, time, dense) in timed {
            table.append([
                key.shape.description, key.candidate.label, key.precision.rawValue,
                LatencyPrediction.text(time),
                dense.map { FigureText.percent(time / $0) } ?? FigureText.absent,
            ])
        }
        text += table.text
        let between = prepared.keys.count - timed.count
        return text
            + "\(timed.count) products timed, \(between) between them; "
            + "table \(prepared.fingerprint) in \(prepared.file)\n"
    }

    var json: JSONValue {
        [
            "model": .string(model), "batch": JSONValue(batch),
            "machine": .string(prediction.table.machine.description),
            "unit": .string(prediction.workload.unit), "rows": JSONValue(prediction.workload.rows),
            "dense_nanoseconds": JSONValue(prediction.dense), "other_nanoseconds": JSONValue(prediction.rest),
            "table": .string(prepared.fingerprint), "file": .string(prepared.file),
            "products": .array(
                timed.map { key, time, dense in
                    [
                        "shape": [JSONValue(key.shape.rows), JSONValue(key.shape.columns)],
                        "form": .string(key.candidate.label), "precision": .string(key.precision.rawValue),
                        "nanoseconds": JSONValue(time), "of_dense": JSONValue(dense.map { time / $0 }),
                    ]
                }),
        ]
    }
}
