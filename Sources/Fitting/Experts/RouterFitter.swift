import Foundation
import LinearAlgebra
import StructuredMatrices
import Tensors

/// A linear choice of experts: those of largest `weight` x + `bias`.
public struct ExpertRouter: Sendable, Equatable {
    /// experts x features.
    public let weight: Matrix
    public let bias: [Float]

    public init(weight: Matrix, bias: [Float]) {
        self.weight = weight
        self.bias = bias
    }
}

/// Multinomial logistic regression of the experts that are best for a token on what the layer reads: the least
/// Kullback-Leibler divergence of softmax(router x) from soft labels (FactorLLM, arXiv 2408.11855, equation of the
/// prior-approximate loss), found by L-BFGS instead of stochastic steps. Deterministic.
public struct RouterFitter: Sendable {
    /// Of the squared weights, for inputs of variance 1: half of it is added to the mean divergence.
    public var penalty: Double
    public var iterations: Int

    public init(penalty: Double = 0.001, iterations: Int = 100) {
        self.penalty = penalty
        self.iterations = iterations
    }

    /// - Parameters:
    ///   - inputs: tokens x features.
    ///   - labels: the best experts of every token; each has an equal part of its label.
    ///   - weights: how much each token counts; nil for all alike.
    ///   - experts: how many there are.
    /// - Throws: `FittingError.shapeMismatch`, `.notFiniteWeight`, `.invalidOption`, `.cancelled`. Cost of an iteration:
    ///   2 tokens x features x experts multiply-adds.
    public func fit(
        _ inputs: Matrix, labels: [[Int]], weights: [Double]? = nil, experts: Int, context: FitContext = FitContext()
    ) throws -> ExpertRouter {
        guard inputs.rows > 0, inputs.columns > 0 else {
            throw FittingError.emptyWeight(
                matrix: context.name, shape: MatrixShape(rows: inputs.rows, columns: inputs.columns))
        }
        for count in [labels.count, weights?.count ?? inputs.rows] where count != inputs.rows {
            throw FittingError.shapeMismatch(
                matrix: context.name, expected: MatrixShape(rows: inputs.rows, columns: experts),
                got: MatrixShape(rows: count, columns: experts))
        }
        if let index = inputs.elements.firstIndex(where: { !$0.isFinite }) {
            throw FittingError.notFiniteWeight(
                matrix: context.name, row: index / inputs.columns, column: index % inputs.columns)
        }
        if let wrong = labels.joined().first(where: { !(0..<experts).contains($0) }) {
            throw FittingError.invalidOption(fitter: "router", option: "labels", expected: "0 to \(experts - 1)", got: wrong)
        }
        let problem = Problem(inputs, labels, weights, experts, penalty)
        let found = try QuasiNewton(iterations: iterations, memory: 12, tolerance: 1e-5).minimum(
            from: problem.start
        ) { point in
            try context.checkCancellation()
            return problem.evaluate(point)
        } iterated: { iteration, loss in
            context.progress(FitProgress(sweep: iteration + 1, limit: iterations, relativeError: loss))
        }
        return problem.router(found.point)
    }

    /// The divergence as a function of the weights of inputs that are brought to mean 0 and variance 1, and of the biases.
    private struct Problem {
        /// tokens x (features and 1).
        let inputs: DoubleMatrix
        /// tokens x experts, rows of sum 1 times the token's weight.
        let labels: DoubleMatrix
        /// Of a token; they sum to 1.
        let weights: [Double]
        let penalty: Double
        let means: [Double]
        let scales: [Double]
        /// sum of q log q, so that the loss is 0 at best.
        let entropy: Double

        init(_ inputs: Matrix, _ labels: [[Int]], _ weights: [Double]?, _ experts: Int, _ penalty: Double) {
            let (tokens, features) = (inputs.rows, inputs.columns)
            let total = weights?.reduce(0, +) ?? 0
            let shares = (0..<tokens).map { total > 0 ? (weights?[$0] ?? 0) / total : 1 / Double(tokens) }
            var (means, scales) = (Array(repeating: 0.0, count: features), Array(repeating: 0.0, count: features))
            for token in 0..<tokens {
                for (feature, value) in inputs.row(token).enumerated() { means[feature] += Double(value) / Double(tokens) }
            }
            for token in 0..<tokens {
                for (feature, value) in inputs.row(token).enumerated() {
                    let difference = Double(value) - means[feature]
                    scales[feature] += difference * difference / Double(tokens)
                }
            }
            // A feature that never moves says nothing.
            scales = scales.map { $0 > 0 ? 1 / $0.squareRoot() : 0 }
            self.inputs = DoubleMatrix(rows: tokens, columns: features + 1) { token, feature in
                feature == features ? 1 : (Double(inputs[token, feature]) - means[feature]) * scales[feature]
            }
            var soft = DoubleMatrix(rows: tokens, columns: experts)
            var entropy = 0.0
            for (token, chosen) in labels.enumerated() where !chosen.isEmpty {
                let share = 1 / Double(chosen.count)
                for expert in chosen { soft[token, expert] += shares[token] * share }
                entropy -= shares[token] * log(share)
            }
            self.labels = soft
            self.weights = (0..<tokens).map { labels[$0].isEmpty ? 0 : shares[$0] }
            self.penalty = penalty
            self.means = means
            self.scales = scales
            self.entropy = entropy
        }

        var start: [Double] { Array(repeating: 0, count: labels.columns * inputs.columns) }

        func evaluate(_ point: [Double]) -> (loss: Double, gradient: [Double]) {
            let (experts, columns) = (labels.columns, inputs.columns)
            let weight = DoubleMatrix(rows: experts, columns: columns, elements: point)
            var scores = inputs.multiplied(by: weight, transposeOther: true)
            var loss = -entropy
            for token in 0..<scores.rows {
                let row = token * experts..<(token + 1) * experts
                let most = scores.elements[row].max() ?? 0
                var sum = 0.0
                for index in row { sum += exp(scores.elements[index] - most) }
                let normaliser = most + log(sum)
                for index in row {
                    let label = labels.elements[index]
                    loss -= label * (scores.elements[index] - normaliser)
                    scores.elements[index] = weights[token] * exp(scores.elements[index] - normaliser) - label
                }
            }
            var gradient = scores.multiplied(by: inputs, transposeSelf: true).elements
            for expert in 0..<experts {
                for feature in 0..<columns - 1 {
                    let index = expert * columns + feature
                    loss += penalty / 2 * point[index] * point[index]
                    gradient[index] += penalty * point[index]
                }
            }
            return (max(0, loss), gradient)
        }

        /// For inputs as they are.
        func router(_ point: [Double]) -> ExpertRouter {
            let (experts, columns) = (labels.columns, inputs.columns)
            var bias: [Float] = []
            let weight = Matrix(rows: experts, columns: columns - 1) { Float(point[$0 * columns + $1] * scales[$1]) }
            for expert in 0..<experts {
                var sum = point[expert * columns + columns - 1]
                for feature in means.indices { sum -= point[expert * columns + feature] * scales[feature] * means[feature] }
                bias.append(Float(sum))
            }
            return ExpertRouter(weight: weight, bias: bias)
        }
    }
}
