import Analysis
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

extension CompressionJob {
    /// The report of a finished compression.
    func makeReport(
        _ opened: Opened, _ result: Compressor.Result, _ text: CalibrationText, _ folder: RewrittenFolder
    ) throws -> CompressionReport {
        var rows: [CompressionReport.MatrixRow] = []
        let taken = Dictionary(
            zip(result.entries, result.entries.indices).map { ($0.name, $1) }, uniquingKeysWith: { first, _ in first })
        let reasons = Dictionary(
            opened.forecast.left.map { ($0.site.name, $0.reason) }, uniquingKeysWith: { first, _ in first })
        for site in opened.loaded.model.sites {
            let sourceBytes = opened.loaded.checkpoint.byteCount(of: site)
            guard let index = taken[site.name] else {
                rows.append(
                    .init(
                        name: site.name, shape: site.shape, role: site.role.rawValue, family: nil, candidate: nil,
                        reason: reasons[site.name] ?? "not in the plan", cost: opened.loaded.model[site: site.name].cost,
                        sourceBytes: sourceBytes, relativeError: 0, sensitivity: 0, spectrum: [], curves: []))
                continue
            }
            let entry = result.entries[index]
            rows.append(
                .init(
                    name: site.name, shape: site.shape, role: site.role.rawValue, family: entry.choice.candidate.family,
                    candidate: Self.label(entry, of: site), reason: nil, cost: entry.choice.cost,
                    sourceBytes: sourceBytes, relativeError: entry.choice.relativeError, sensitivity: entry.sensitivity,
                    spectrum: result.spectra[index], curves: curves(result.candidates[index])))
        }
        let dense = opened.loaded.model.sites.filter { taken[$0.name] != nil }.reduce(0) { $0 + $1.shape.count }
        // Matrices that were left are carried over too, but have rows of their own.
        let left = rows.filter { $0.reason != nil }
        let leftTensors = Set(
            opened.loaded.model.sites.filter { taken[$0.name] == nil }.map { folder.tensor(of: $0) })
        return CompressionReport(
            modelName: URL(fileURLWithPath: model).lastPathComponent,
            architecture: opened.folder.configuration.value("model_type")?.stringValue ?? "unknown",
            recipe: recipe.properties + Self.narrowed(result) + [
                ("calibration", text.origin),
                ("calibration sequences", "\(text.calibration.count)"),
                ("held-out sequences", "\(text.heldOut.count)"),
            ],
            matrices: rows, untouchedTensors: folder.untouchedTensors - leftTensors.count,
            untouchedBytes: folder.untouchedBytes - left.reduce(0) { $0 + $1.sourceBytes },
            selectedBytesInF16: 2 * dense,
            selectedBytes: result.entries.reduce(0) { $0 + $1.choice.cost.storedBytes },
            selectedMultiplyAddsDense: dense,
            selectedMultiplyAdds: result.entries.reduce(0) { $0 + $1.choice.cost.multiplyAdds },
            fileBytesBefore: opened.loaded.checkpoint.fileByteCount, fileBytesAfter: folder.fileByteCount,
            qualityText: "\(text.heldOut.count) sequences held out of \(text.origin)",
            quality: try quality(
                opened.loaded.model, result.model, text.heldOut, opened.memory.context(context, passes: 2)),
            allocationNotes: result.notes + tableNote(rows),
            calibrationFingerprints: text.fingerprints(for: opened.loaded.model))
    }

    /// "low-rank rank=96", with the shape that was left of a matrix that was narrowed.
    private static func label(_ entry: Plan.Entry, of site: MatrixSite) -> String {
        entry.choice.candidate.label + (entry.shape == site.shape ? "" : " of \(entry.shape)")
    }

    private static func narrowed(_ result: Compressor.Result) -> [(name: String, value: String)] {
        result.rewrite.map { [("narrowed", "\($0.recipe), \(FigureText.percent($0.share)) of the parameters in blocks")] } ?? []
    }

    /// What share of the matrices' numbers is embedding tables, and whether they took part: a budget that leaves them out says
    /// little of a small model.
    private func tableNote(_ rows: [CompressionReport.MatrixRow]) -> [String] {
        let tables = rows.filter { $0.role == MatrixSite.Role.embedding.rawValue }
        let numbers = tables.reduce(0) { $0 + $1.shape.count }
        guard numbers > 0 else { return [] }
        let share = FigureText.percent(Double(numbers) / Double(rows.reduce(0) { $0 + $1.shape.count }))
        let took = tables.filter { $0.reason == nil }.count
        let part = took == tables.count ? "took part" : took == 0 ? "left out" : "\(took) of \(tables.count) took part"
        return ["embedding tables are \(share) of the matrices' numbers; \(part)"]
    }

    private func curves(
        _ candidates: [AssessedCandidate]
    ) -> [(family: String, points: [CompressionReport.CurvePoint])] {
        CandidateSources.names.compactMap { family in
            let points = candidates.filter { $0.candidate.family == family }.map {
                CompressionReport.CurvePoint(
                    label: $0.candidate.label, storedBytes: $0.cost.storedBytes, multiplyAdds: $0.cost.multiplyAdds,
                    relativeError: $0.relativeError)
            }
            return points.isEmpty ? nil : (family, points)
        }
    }

    /// What a user would ask about the model, before and after, on text that no fit has seen (the allocation was chosen on it).
    private func quality(
        _ original: any TransformerModel, _ compressed: any TransformerModel, _ heldOut: [[Int]],
        _ context: ExecutionContext
    ) throws -> [CompressionReport.QualityRow] {
        guard !heldOut.isEmpty else { return [] }
        if let original = original as? any EncoderModel, let compressed = compressed as? any EncoderModel {
            guard heldOut.count >= 2 else { return [] }
            let fidelity = try EncoderFidelity.measure(
                compressed.embed(heldOut, context: context), reference: original.embed(heldOut, context: context),
                context: context)
            return [
                .init(
                    name: "mean cosine to the original's embeddings", dense: 1, compressed: fidelity.meanCosine,
                    standardError: fidelity.meanCosineStandardError),
                .init(
                    name: "overlap@\(fidelity.neighbours) of nearest neighbours with the original's", dense: 1,
                    compressed: fidelity.overlap, standardError: fidelity.overlapStandardError),
            ]
        }
        guard let original = original as? any CausalModel, let compressed = compressed as? any CausalModel,
            let length = heldOut.map(\.count).max(), length >= 2
        else { return [] }
        // Only whole windows, so that cutting their concatenation anew gives the same windows.
        let tokens = heldOut.filter { $0.count == length }.flatMap { $0 }
        let before = try Perplexity.measure(original, tokens: tokens, windowSize: length, context: context)
        let after = try Perplexity.measure(compressed, tokens: tokens, windowSize: length, context: context)
        let fidelity = try CausalFidelity.measure(
            compressed, reference: original, tokens: tokens, windowSize: length, context: context)
        return [
            .init(
                name: "perplexity, windows of \(length) tokens", dense: before.perplexity, compressed: after.perplexity,
                standardError: after.perplexityStandardError),
            .init(
                name: "KL to the original, nats per token", dense: 0, compressed: fidelity.meanDivergence,
                standardError: fidelity.meanDivergenceStandardError),
            .init(
                name: "top-1 agreement with the original", dense: 1, compressed: fidelity.topOneAgreement,
                standardError: fidelity.topOneAgreementStandardError),
        ]
    }
}
