import Foundation
import Tensors

/// Draws the next token from a model's scores.
public struct Sampler: Sendable {
    /// 0 takes the most likely token; 1 samples from the model's own distribution.
    public let temperature: Double
    /// Only the smallest set of most likely tokens whose probability reaches this is sampled from
    /// (Holtzman et al. 2020); 1 keeps all.
    public let topP: Double
    private var generator: SeededGenerator

    /// - Throws: `TransformersError.invalidOption` unless temperature >= 0 and 0 < topP <= 1.
    public init(temperature: Double = 0, topP: Double = 1, generator: SeededGenerator) throws {
        guard temperature >= 0, temperature.isFinite else {
            throw TransformersError.invalidOption(
                name: "temperature", expected: "a number from 0", got: "\(temperature)")
        }
        guard topP > 0, topP <= 1 else {
            throw TransformersError.invalidOption(
                name: "top-p", expected: "a number above 0, at most 1", got: "\(topP)")
        }
        self.temperature = temperature
        self.topP = topP
        self.generator = generator
    }

    /// The most likely token, the first of equals.
    public static func greedy(_ logits: some Collection<Float>) -> Int {
        var (best, token) = (-Float.infinity, 0)
        for (index, logit) in logits.enumerated() where logit > best { (best, token) = (logit, index) }
        return token
    }

    /// One token; uses one draw of the generator unless the temperature is 0. Cost: a pass over the vocabulary, and a
    /// sort of it when topP < 1.
    public mutating func next(_ logits: some Collection<Float>) -> Int {
        if temperature == 0 { return Self.greedy(logits) }
        let draw = generator.nextUniform()
        let highest = Double(logits.max() ?? 0)
        var weights = logits.map { exp((Double($0) - highest) / temperature) }
        if topP < 1 { keepNucleus(&weights) }
        let total = weights.reduce(0, +)
        var remaining = draw * total
        for (token, weight) in weights.enumerated() where weight > 0 {
            remaining -= weight
            if remaining < 0 { return token }
        }
        // Rounding left a crumb, or the scores were no numbers.
        return weights.lastIndex { $0 > 0 } ?? Self.greedy(logits)
    }

    private func keepNucleus(_ weights: inout [Double]) {
        let order = weights.indices.sorted {
            weights[$0] != weights[$1] ? weights[$0] > weights[$1] : $0 < $1
        }
        let target = topP * weights.reduce(0, +)
        var sum = 0.0
        for token in order {
            if sum >= target { weights[token] = 0 } else { sum += weights[token] }
        }
    }
}
