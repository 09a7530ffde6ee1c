import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// What the rows of a study of one model share: its calibration, its judge, and for every quantity the session of "auto".
final class CompressionBench {
    let judge: QualityJudge
    private let study: CompressionStudy
    private let loaded: LoadedModel
    private var sessions: [Budget.Quantity: SweepSession] = [:]
    private var calibrated: CalibratedModel?
    /// The tables rounded to nearest, by budget.
    private var tables: [Budget: [(name: String, matrix: any StructuredMatrix)]] = [:]

    struct Made {
        let model: any TransformerModel
        let bytes: Int
        let form: String
    }

    /// - Throws: `CompressionError.textsOverlap`; what loading and judging the dense model throw.
    init(_ study: CompressionStudy) throws {
        self.study = study
        loaded = try LoadedModel.load(study.model)
        study.progress(CompressionProgress(stage: "judging the dense model", done: 0, total: 1))
        judge = try QualityJudge(loaded, study.evaluation, context: study.context)
        study.progress(CompressionProgress(stage: "judging the dense model", done: 1, total: 1))
        let text = try session(.bytes).text
        let overlap = text.fingerprints(for: loaded.model).overlap(with: study.evaluation.tokens(of: loaded))
        guard !overlap.isTooLarge || study.allowsOverlap else {
            throw CompressionError.textsOverlap(file: study.evaluation.name, overlap: overlap.text)
        }
    }

    /// Bytes budgets are of the whole model, tables too; multiply-adds those of the layers.
    private func session(_ quantity: Budget.Quantity) throws -> SweepSession {
        if let session = sessions[quantity] { return session }
        var job = CompressionJob(
            model: study.model, output: study.output,
            recipe: Recipe(
                budget: Budget(quantity: quantity, fraction: 1),
                selection: MatrixSelection(scope: quantity == .bytes ? .all : .linear), precision: study.precision,
                seed: study.seed),
            calibration: study.calibration, context: study.context, progress: study.progress)
        job.recipe.rewrites = .automatic
        job.keepsJournal = true
        let name = URL(fileURLWithPath: study.model).lastPathComponent
        let session = try SweepSession(
            job,
            journal: Journal.folder(beside: study.output)
                .appending(path: "\(name)/\(quantity.rawValue)"))
        sessions[quantity] = session
        return session
    }

    var bytesInF16: Int { sessions[.bytes]?.bytesInF16 ?? 0 }
    var bytes: Int { sessions[.bytes]?.storedBytes([]) ?? 0 }
    var multiplyAdds: Int { multiplyAdds(loaded.model) }
    func multiplyAdds(_ model: any TransformerModel) -> Int { sessions[.bytes]?.multiplyAdds(model) ?? 0 }

    /// What the rows of one model in a file must agree in.
    func identity() throws -> [(name: String, value: String)] {
        var weights = Fingerprint()
        for shard in loaded.checkpoint.shards { try weights.add(fileAt: shard.file) }
        var evaluation = Fingerprint()
        for sequence in study.evaluation.tokens(of: loaded) { sequence.withUnsafeBytes { evaluation.add($0) } }
        let text = try session(.bytes).text
        return [
            ("weights", weights.text), ("calibration", text.origin), ("calibration_tokens", text.fingerprint),
            ("evaluation", study.evaluation.name), ("evaluation_tokens", evaluation.text),
            ("precision", study.precision.rawValue), ("seed", String(study.seed)),
        ]
    }

    /// - Throws: as `SweepSession.solve`.
    func auto(_ budget: Budget, progress: @escaping @Sendable (CompressionProgress) -> Void) throws -> Made {
        let session = try session(budget.quantity)
        let (result, _) = try session.solve(budget, progress: progress)
        var families: [String: Int] = [:]
        for entry in result.entries { families[entry.choice.candidate.family, default: 0] += 1 }
        let mix = families.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }
        let narrowed = result.rewrite.map { [NarrowingSearch.text($0.share)] } ?? []
        return Made(
            model: result.model, bytes: session.storedBytes(of: result), form: (mix + narrowed).joined(separator: ", "))
    }

    /// One method for all linear layers, each to the same share; for bytes, tables rounded to nearest.
    /// - Throws: what the method throws; `FittingError.cancelled` after so many seconds.
    func single(
        _ method: SizedMethod, _ budget: Budget, seconds: Double,
        progress: @escaping @Sendable (CompressionProgress) -> Void
    ) throws -> Made {
        let session = try session(budget.quantity)
        let model = try calibratedModel()
        let linear = model.sites
        let size: SizeShare
        var replaced: [(name: String, matrix: any StructuredMatrix)] = []
        var form: String
        if budget.quantity == .bytes {
            let limit = session.limit(budget)
            let tableSites = session.selected.filter { $0.role == .embedding }
            let (chosen, rounded) = try roundedTables(tableSites, limit: limit, budget, session)
            replaced = rounded
            let share = Double(limit - chosen.bytes) / Double(2 * linear.reduce(0) { $0 + $1.shape.count })
            guard share > 0 else {
                throw CompressionError.budgetTooSmall(quantity: "bytes", budget: limit, smallest: chosen.bytes)
            }
            size = .share(min(1, share), of: .bytes)
            form = "layers: \(FigureText.percent(share)) of bytes each; tables: \(chosen.bits) bits in groups of \(chosen.groupSize)"
        } else {
            size = .share(budget.fraction, of: .multiplyAdds)
            form = "layers: \(FigureText.percent(budget.fraction)) of multiply-adds each"
        }
        let fits = try ModelFits(
            method, size: size, of: model, objective: .activations, errors: [], precision: study.precision, seed: study.seed,
            context: study.context, deadline: .now + .seconds(seconds)
        ) { progress(CompressionProgress(stage: "fitting", done: $0, total: $1)) }
        replaced += fits.matrices.map { ($0.site.name, $0.matrix) }
        let refinements = Set(fits.matrices.compactMap(\.refinement)).sorted()
        if !refinements.isEmpty { form += "; refined by \(refinements.joined(separator: ", "))" }
        var changed = loaded.model
        for (name, matrix) in replaced { changed[site: name] = matrix }
        return Made(
            model: changed, bytes: session.storedBytes(replaced.map { ($0.name, $0.matrix.cost.storedBytes) }), form: form)
    }

    private func calibratedModel() throws -> CalibratedModel {
        if let calibrated { return calibrated }
        let model = try CalibratedModel(
            loaded, sites: loaded.model.sites.filter { $0.role == .linear }, calibration: study.calibration, seed: study.seed,
            context: study.context, progress: study.progress)
        calibrated = model
        return model
    }

    /// Tables at the largest form of integers within their share of the bytes; at the smallest where none is within.
    private func roundedTables(
        _ sites: [MatrixSite], limit: Int, _ budget: Budget, _ session: SweepSession
    ) throws -> (chosen: (bits: Int, groupSize: Int, bytes: Int), tables: [(name: String, matrix: any StructuredMatrix)]) {
        let all = session.selected.reduce(0) { $0 + $1.shape.count }
        let own = sites.reduce(0) { $0 + $1.shape.count }
        let share = Int(Double(limit) * Double(own) / Double(max(1, all)))
        let chosen: (bits: Int, groupSize: Int, bytes: Int)
        do {
            chosen = try ControlMethod.integers(for: sites, bytes: share)
        } catch CompressionError.budgetTooSmall(_, _, let smallest) {
            chosen = try ControlMethod.integers(for: sites, bytes: smallest)
        }
        if let known = tables[budget] { return (chosen, known) }
        let made = try ControlMethod.roundToNearest.replace(
            sites, in: loaded.model, bytes: chosen.bytes, precision: study.precision, context: study.context)
        let rounded = sites.map { ($0.name, made.model[site: $0.name]) }
        tables[budget] = rounded
        return (chosen, rounded)
    }
}
