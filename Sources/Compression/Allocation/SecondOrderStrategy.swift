import Fitting
import Foundation
import StructuredMatrices
import Tensors

/// The second-order estimate of the output's change: W is moved by a little white noise E, and the curvature along it,
/// change / tr(E G E^T), is taken for the mean curvature of the layer's outputs (the trace of their Fisher or
/// Gauss-Newton matrix over their number). Damage = curvature x tr((W - V) G (W - V)^T).
///
/// With the activations' G and a Fisher matrix that is a multiple of the identity for each layer this is the
/// Fisher-weighted error of the LQ-LoRA programme; no gradient is needed, the traces are finite differences along random
/// directions (Hutchinson 1990).
struct SecondOrderStrategy: DamageStrategy {
    let name = "second-order"
    let summary = "errors times the curvature of the output along small random changes of the matrix"
    let source = "Hutchinson's estimate of the Gauss-Newton trace; LQ-LoRA's Fisher weights, arXiv 2311.12023"
    let isDefault = false

    /// Relative squared size of the noise: small enough for the second order, large enough for the output's precision.
    private static let size = 1e-3
    /// Directions averaged over.
    private static let directions = 2

    func damages(_ problem: AllocationProblem) throws -> [[Double]]? {
        let curvatures = try problem.sites.map { site in
            try problem.remembered("curvature", site) {
                let place = try problem.table.candidateContext(site)
                var sum = 0.0
                for direction in 0..<Self.directions {
                    var generator = SeededGenerator(
                        seed: problem.seed, stream: "curvature \(direction) \(site.name)")
                    let noise = Matrix.random(rows: site.shape.rows, columns: site.shape.columns, using: &generator)
                    // The noise's own size, as a relative error of W + E.
                    let raw = try place.assessment.error(of: place.weight + noise, for: place.weight, name: site.name)
                    guard raw > 0 else { continue }
                    let scale = Float((Self.size / raw).squareRoot())
                    var moved = place.weight
                    for index in moved.elements.indices { moved.elements[index] += scale * noise.elements[index] }
                    sum += try problem.distance(replacing: site, by: Dense(moved)) / Self.size
                }
                return sum / Double(Self.directions)
            }
        }
        return problem.damages(weights: curvatures)
    }
}
