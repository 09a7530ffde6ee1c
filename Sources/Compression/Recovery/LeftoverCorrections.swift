import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Transformers

/// Low-rank corrections (EoRA, arXiv 2410.21271) from bytes that a budget has left: the components that save most harm for
/// each byte, as many as there is room for.
package struct LeftoverCorrections {
    /// A matrix that may be corrected.
    package struct Site: Sendable {
        package let name: String
        /// Harm that each further component saves, falling.
        package let gains: [Double]
        package let bytesPerComponent: Int

        package init(name: String, gains: [Double], bytesPerComponent: Int) {
            self.name = name
            self.gains = gains
            self.bytesPerComponent = bytesPerComponent
        }
    }

    /// Components for every matrix that gets any. The same ranks for the bytes that they take as for more of them that
    /// leave room for no other, so that a plan made of them is followed exactly.
    package static func ranks(_ sites: [Site], room: Int) -> [String: Int] {
        var ranks: [String: Int] = [:]
        var room = room
        while true {
            var best: (site: Site, value: Double)?
            for site in sites where site.bytesPerComponent <= room {
                let rank = ranks[site.name] ?? 0
                guard rank < site.gains.count, site.gains[rank] > 0 else { continue }
                let value = site.gains[rank] / Double(site.bytesPerComponent)
                if value > best?.value ?? 0 { best = (site, value) }
            }
            guard let best else { return ranks }
            ranks[best.site.name, default: 0] += 1
            room -= best.site.bytesPerComponent
        }
    }
}

extension RecoveryWalks {
    /// More components of one matrix are not worth finding.
    private static let mostComponents = 64

    /// What components of low-rank corrections would save, of every matrix that has room for one. Costs a walk and a
    /// decomposition of every matrix.
    /// - Throws: `CompressionError`, `FittingError`, `LinearAlgebraError`, `TransformersError`.
    func corrections(
        of state: RecoveredModel, room: Int, sensitivities: [String: Double], progress: (Int, Int) -> Void
    ) throws -> [LeftoverCorrections.Site] {
        var walk = try forwardWalk([state.model])
        var found: [LeftoverCorrections.Site] = []
        try forEachInput(progress) { sites, input, block in
            let precision = table.recipe.precision
            let open = sites.filter { Cost.lowRank(1, shape: $0.shape, precision: precision).storedBytes <= room }
            guard !open.isEmpty else { return }
            let moments = try walk.moments(of: input, block: block, models: [0], centred: open.allSatisfy(hasBias))[0]
            let target = try OutputTarget(moments)
            found += try context.parallelMap(open.count) { index in
                let site = open[index]
                let place = try table.candidateContext(site)
                let bytes = Cost.lowRank(1, shape: site.shape, precision: precision).storedBytes
                let dense = self.wanted(site, inputs: moments.denseMean.count).weight
                let wanted = target.weight(place.weight, of: dense, share: 1)
                let objective = Objective.activations(target.gram)
                let matrix = state.matrices[site.name]?.dense() ?? wanted
                let values = try LowRankFactorisation(wanted - matrix, objective: objective, context: place.fit).singularValues
                let total = objective.squaredNorm(of: place.weight)
                let scale = total > 0 ? max(0, sensitivities[site.name] ?? 0) / total : 0
                let count = min(Self.mostComponents, room / bytes)
                return LeftoverCorrections.Site(
                    name: site.name, gains: values.prefix(count).map { $0 * $0 * scale }, bytesPerComponent: bytes)
            }
        }
        return found
    }
}
