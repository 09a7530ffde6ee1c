import Gradients
import Rewriting
import StructuredMatrices
import Tensors
import Transformers

/// Scores of units by exact derivatives of a number made of the model's outputs.
extension ModelRewriter {
    /// Scores by derivatives of each place, nil where its units are weighed otherwise.
    func gradientScores(_ model: any NetworkModel, _ places: [Place]) throws -> [[Double]?] {
        var wanted: Set<GradientScore> = []
        for case .gradient(let score)? in [method.heads, method.neurons] { wanted.insert(score) }
        guard !wanted.isEmpty else { return places.map { _ in nil } }
        return try journal.kept("scores by derivatives") { (found: GradientScores) in found.places.count == places.count } make: {
            GradientScores(places: try differentiated(model, places, wanted))
        }.places
    }

    private func differentiated(
        _ model: any NetworkModel, _ places: [Place], _ wanted: Set<GradientScore>
    ) throws -> [[Double]?] {
        let network = try model.differentiable()
        let sequences = Array(calibration.prefix(Self.gradientSequences)).map { Array($0.prefix(Self.gradientTokens)) }
        progress(CompressionProgress(stage: "differentiating", done: 0, total: sequences.count))
        let streams = try sequences.map { try model.states([$0], context: context).converted(to: Double.self) }
        let head = model.isCausal ? model.headWeight?.dense().converted(to: Double.self) : nil
        let share = 1 / Double(max(1, streams.count))
        var squares = places.map { Array(repeating: 0.0, count: units($0, network)) }
        var done = 0
        let sum = try network.summedGradients(of: streams, context: context) { _, output in
            Self.response(output, head: head, share: share)
        } each: { gradients in
            done += 1
            progress(CompressionProgress(stage: "differentiating", done: done, total: sequences.count))
            guard wanted.contains(.saliency) else { return }
            for (index, place) in places.enumerated() {
                let products = unitProducts(place, network, gradients[place.block]) { $0 }
                for (unit, product) in products.enumerated() { squares[index][unit] += product * product }
            }
        }
        return places.enumerated().map { index, place in
            guard case .gradient(let score)? = place.kind == .heads ? method.heads : method.neurons else { return nil }
            return switch score {
            case .response: unitProducts(place, network, sum.blocks[place.block], abs)
            case .saliency: squares[index]
            }
        }
    }

    private static let gradientSequences = 32
    private static let gradientTokens = 128

    /// The mean over features (or words of the vocabulary) of the largest output over tokens, and its derivatives.
    private static func response(
        _ output: DoubleMatrix, head: DoubleMatrix?, share: Double
    ) -> (value: Double, derivatives: DoubleMatrix) {
        let scores = head.map { output.multiplied(by: $0, transposeOther: true) } ?? output
        let weight = share / Double(max(1, scores.columns))
        var value = 0.0
        var derivatives = DoubleMatrix(rows: output.rows, columns: output.columns)
        for column in 0..<scores.columns {
            let row = (0..<scores.rows).max { scores[$0, column] < scores[$1, column] } ?? 0
            value += weight * scores[row, column]
            if let head {
                for feature in 0..<output.columns { derivatives[row, feature] += weight * head[column, feature] }
            } else {
                derivatives[row, column] += weight
            }
        }
        return (value, derivatives)
    }

    private func units(_ place: Place, _ network: DifferentiableTransformer) -> Int {
        let block = network.blocks[place.block]
        return place.kind == .heads ? block.attention.keyValueHeads : block.up.weight.rows
    }

    /// sum over a unit's weights of f(w dw).
    private func unitProducts(
        _ place: Place, _ network: DifferentiableTransformer, _ gradient: TransformerBlock.Gradient,
        _ function: (Double) -> Double
    ) -> [Double] {
        let block = network.blocks[place.block]
        var sums = Array(repeating: 0.0, count: units(place, network))
        func rows(_ map: AffineMap, _ own: AffineGradient) {
            let size = map.weight.rows / sums.count
            for row in 0..<map.weight.rows {
                for column in 0..<map.weight.columns {
                    sums[row / size] += function(map.weight[row, column] * own.weight[row, column])
                }
            }
        }
        func columns(_ map: AffineMap, _ own: AffineGradient) {
            let size = map.weight.columns / sums.count
            for row in 0..<map.weight.rows {
                for column in 0..<map.weight.columns {
                    sums[column / size] += function(map.weight[row, column] * own.weight[row, column])
                }
            }
        }
        switch place.kind {
        case .heads:
            rows(block.query, gradient.query)
            rows(block.key, gradient.key)
            rows(block.value, gradient.value)
            columns(block.output, gradient.output)
        case .neurons:
            if let gate = block.gate, let own = gradient.gate { rows(gate, own) }
            rows(block.up, gradient.up)
            columns(block.down, gradient.down)
        }
        return sums
    }
}

/// Of each place, nil where its units are weighed otherwise.
private struct GradientScores: JournaledMatrices {
    let places: [[Double]?]

    init(places: [[Double]?]) { self.places = places }

    var journaled: [(name: String, matrix: DoubleMatrix)] {
        [("count", DoubleMatrix(row: [places.count]))]
            + places.enumerated().compactMap { index, scores in scores.map { ("place \(index)", DoubleMatrix(row: $0)) } }
    }

    init?(journaled: [String: DoubleMatrix]) {
        guard let count = journaled["count"]?.indices, count.count == 1, count[0] < 1 << 20 else { return nil }
        places = (0..<count[0]).map { journaled["place \($0)"]?.elements }
    }
}
