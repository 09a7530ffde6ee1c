import LinearAlgebra
import Rewriting
import StructuredMatrices
import Tensors
import Transformers

/// SliceGPT (arXiv 2401.15024): norms are fused, the residual stream is turned at every place into the directions of what
/// arrives there, and its end is cut off. What is counted are all matrices that read or write the stream, tables and head
/// among them, and the skip matrices.
extension ModelRewriter {
    func slice(_ model: any NetworkModel, _ slicing: StreamSlicing) throws -> Outcome {
        var fused = model
        switch slicing.tied {
        case .copied: fused.untieHead()
        case .kept: fused.projectTiedEnds()
        }
        try fused.fuseNorms()
        let touched = Set(model.coupling.places.flatMap(\.members).map(\.site))
            .subtracting(slicing.tied == .kept && model.isHeadTied ? model.coupling.tied.map { [$0.site] } ?? [] : [])
        let before = model.parameters(of: touched)
        var slicer = StreamSlicer(
            sequences: calibration, basis: slicing.basis, context: context, progress: report("cutting the stream"))
        slicer.journal = journal
        let widths = try widths(fused, slicing, slicer, limit: share * Double(before))
        var sliced = try slicer.slice(fused, to: widths)
        sliced.store(like: model)
        return Outcome(
            model: sliced,
            touched: (before, sliced.parameters(of: Set(sliced.coupling.places.flatMap(\.members).map(\.site)))))
    }

    private func widths(
        _ fused: any NetworkModel, _ slicing: StreamSlicing, _ slicer: StreamSlicer, limit: Double
    ) throws -> [Int] {
        let budget = fused.streamBudget
        switch slicing.widths {
        case .uniform: return try budget.uniform(limit: limit)
        case .energies:
            let losses = try slicer.bases(fused).map { basis in (0...budget.features).map { basis.lost(keeping: $0) } }
            return try budget.widths(limit: limit, losses: losses)
        }
    }
}

extension NetworkModel {
    /// What the stream costs by its widths.
    package var streamBudget: StreamBudget {
        let attached = coupling.places.map { place in
            let skips = [place.skipHere, place.skipOn]
            return place.members.filter { !skips.contains($0.site) }.reduce(0) { sum, member in
                let shape = self[site: member.site].shape
                return sum + (member.side == .inputs ? shape.rows : shape.columns)
            }
        }
        return StreamBudget(attached: attached, features: streamFeatures, multiple: streamFeatures < 64 ? 1 : 8)
    }

    /// Parameters of some matrices.
    func parameters(of sites: Set<String>) -> Int { sites.reduce(0) { $0 + self[site: $1].cost.parameters } }

    /// Keeps every matrix in the precision that the original has it in; new ones in that of the first block.
    mutating func store(like original: any NetworkModel) {
        let known = Set(original.sites.map(\.name))
        func precision(_ site: String) -> Precision? { (original[site: site] as? Dense)?.weight.precision }
        let usual = original.coupling.blocks.lazy.compactMap { $0.attention.flatMap { precision($0.output.site) } }.first
        for site in sites.map(\.name) {
            guard self[site: site].family == Dense.family,
                let own = known.contains(site) ? precision(site) : usual ?? .f32
            else { continue }
            if (self[site: site] as? Dense)?.weight.precision != own {
                self[site: site] = Dense(self[site: site].dense(), precision: own)
            }
        }
    }
}
