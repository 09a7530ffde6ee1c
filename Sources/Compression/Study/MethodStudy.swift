import Analysis
import Benchmarking
import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// Every method over all the linear matrices of an encoder, judged by what is left of the model.
///
/// What was measured is in a file that is written after every method; a study that is started again goes on from it.
public struct MethodStudy: Sendable {
    public var model: String
    /// Rows of sentence, sentence, score.
    public var pairs: String
    public var calibration: CalibrationSource
    /// Weights of every matrix, for the objectives made of them.
    public var fisher: FisherArchive?
    public var methods: [SizedMethod]
    public var sizes: [SizeShare]
    /// Sizes for methods that keep a code for every weight.
    public var bits: [Int]
    public var objective: Objective.Kind
    public var precision: Precision
    public var seed: UInt64
    /// The file of results.
    public var output: String
    /// Fitters that are measured anew though the file has them.
    public var again: [String]
    public var context: ExecutionContext
    public var progress: @Sendable (CompressionProgress) -> Void

    public init(
        model: String, pairs: String, calibration: CalibrationSource = .own, fisher: FisherArchive? = nil,
        methods: [SizedMethod] = SizedMethod.all,
        sizes: [SizeShare], bits: [Int], objective: Objective.Kind = .activations, precision: Precision = .f16,
        seed: UInt64 = 0, output: String, again: [String] = [], context: ExecutionContext,
        progress: @escaping @Sendable (CompressionProgress) -> Void = { _ in }
    ) {
        self.model = model
        self.pairs = pairs
        self.calibration = calibration
        self.fisher = fisher
        self.methods = methods
        self.sizes = sizes
        self.bits = bits
        self.objective = objective
        self.precision = precision
        self.seed = seed
        self.output = output
        self.again = again
        self.context = context
        self.progress = progress
    }

    /// Measures what the file lacks.
    /// - Throws: `CompressionError.studyMismatch` where the file is of another model, text or choice; what loading,
    ///   calibrating and judging the dense model throw. What a method refuses is a row with its error.
    public func run() throws -> StudyResults {
        let loaded = try LoadedModel.load(model)
        let pairs = try SentencePair.read(csv: pairs)
        let calibrated = try CalibratedModel(
            loaded, sites: loaded.model.sites.filter { $0.role == .linear }, calibration: calibration, fisher: fisher,
            seed: seed, context: context, progress: progress)
        progress(CompressionProgress(stage: "judging the dense model", done: 0, total: 1))
        let judge = try EncoderJudge(loaded, pairs: pairs, context: context)
        var results = StudyResults(
            identity: try identity(calibrated, judge), sites: calibrated.sites,
            objectives: try Objective.Kind.allCases.filter { kind in
                try calibrated.sites.allSatisfy { try calibrated.objective(kind, of: $0) != nil }
            },
            dense: try judge.verdict(on: loaded, context: context))
        progress(CompressionProgress(stage: "judging the dense model", done: 1, total: 1))
        if FileManager.default.fileExists(atPath: output) { try results.read(output) }
        results.remove(fitters: again)
        // Before hours of work, not after.
        try results.write(output)

        let wanted = methods.flatMap { method in
            (sizes + (Self.keepsCodes(method) ? bits.map { .bits($0) } : [])).map { (method, $0) }
        }
        for (index, (method, size)) in wanted.enumerated() where !results.contains(method.name, size) {
            let stage = "\(index + 1) of \(wanted.count): \(method.name), \(size.text)"
            results.append(row(method, size, calibrated, judge, results.objectives, stage))
            try results.write(output)
        }
        return results
    }

    private func row(
        _ method: SizedMethod, _ size: SizeShare, _ model: CalibratedModel, _ judge: EncoderJudge,
        _ objectives: [Objective.Kind], _ stage: String
    ) -> StudyRow {
        var row = StudyRow(
            fitter: method.name, family: method.method.family.name, size: size.text,
            date: Date().formatted(.iso8601), processor: ProcessorName.current, threads: context.threads)
        do {
            let fits = try ModelFits(
                method, size: size, of: model, objective: objective, errors: objectives, precision: precision, seed: seed,
                context: context
            ) { progress(CompressionProgress(stage: stage, done: $0, total: $1)) }
            let verdict = try judge.verdict(on: model.loaded, with: fits.matrices, context: context)
            row.measured = StudyRow.Measured(fits, verdict, objectives: objectives)
        } catch {
            row.error = "\(error)"
        }
        return row
    }

    /// Whether a method keeps a number for every weight in few bits, so that bits are a size to ask it for.
    static func keepsCodes(_ method: SizedMethod) -> Bool {
        var generator = SeededGenerator(seed: 0, stream: "weights")
        let shape = MatrixShape(rows: 128, columns: 128)
        let weight = Matrix.random(rows: shape.rows, columns: shape.columns, using: &generator)
        for bits in [4, 8] {
            let size = SizeShare.bits(bits).budget(for: shape)
            if let fit = try? method.fit(weight, objective: .frobenius, size: size, context: FitContext(precision: .f16)) {
                return fit.matrix.cost.parameters >= shape.count
            }
        }
        return false
    }

    /// What the rows of one file must agree in.
    private func identity(
        _ model: CalibratedModel, _ judge: EncoderJudge
    ) throws -> [(name: String, value: String)] {
        var weights = Fingerprint()
        for shard in model.loaded.checkpoint.shards { try weights.add(fileAt: shard.file) }
        var text = Fingerprint()
        for sequence in model.sequences { sequence.withUnsafeBytes { text.add($0) } }
        var sentences = Fingerprint()
        for pair in judge.pairs { sentences.add("\(pair.first)\u{0}\(pair.second)\u{0}\(pair.score)") }
        var gradients: Fingerprint?
        if let fisher {
            var file = Fingerprint()
            try file.add(fileAt: fisher.file)
            gradients = file
        }
        return [
            ("model", URL(fileURLWithPath: self.model).lastPathComponent), ("weights", weights.text),
            ("calibration", model.origin ?? StudyResults.none), ("calibration_tokens", text.text), ("pairs", sentences.text),
            ("objective", objective.rawValue), ("precision", precision.rawValue), ("seed", String(seed)),
            ("fisher", gradients?.text ?? StudyResults.none),
        ]
    }
}
