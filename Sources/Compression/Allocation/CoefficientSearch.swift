import Foundation
import Tensors

/// SPDY's and ZipLM's search: every matrix's damages get a coefficient; coefficients are mutated, the knapsack is solved
/// for them, the choice is stitched together and measured in the model, and what is closer to the original is kept.
///
/// It repairs what no table of single matrices holds: how errors of several matrices work together. The first coefficients are
/// those of the best allocation there is, then mutations of half of the matrices, of half as many, and so on down to one, and
/// from the beginning as long as that finds anything. Starts with all coefficients drawn, as the papers have them, need far
/// more fits, and seldom beat this one.
///
/// What is searched on is a sample of the calibration text; whether its result is better is decided on held-out text. Most
/// choices are farther from the original than the best one: those that are on a part of the sample already are not measured
/// on all of it.
package struct CoefficientSearch: Sendable {
    /// Choices measured at most; the start is one.
    package var evaluations: Int
    /// Choices in a row that are no closer, after which fewer matrices are mutated.
    package var patience = 16
    /// The same where more than a tenth of the matrices are mutated: each costs many new fits.
    package var patienceWithMany = 2
    /// Choices whose distance on a part of the sample is more than so many times the best one's are not measured further: on
    /// MiniLM that leaves out two choices in three, and of those that were closer after all none by more than 2 %.
    package var margin = 1.01
    /// Standard deviation of the logarithm of what a coefficient is multiplied by.
    package var spread = 0.8
    package var seed: UInt64

    package init(evaluations: Int = 96, seed: UInt64 = 0) {
        self.evaluations = evaluations
        self.seed = seed
    }

    /// A choice, and the coefficients (one for each matrix) that gave it.
    package struct Step: Sendable {
        package let choices: [Int]
        package let coefficients: [Double]
        package let distance: Double
    }

    package struct Outcome: Sendable {
        /// Each closer than the one before, the first closer than the start.
        package let steps: [Step]
        /// Of distinct choices, the start among them.
        package let evaluations: Int
    }

    /// - Parameters:
    ///   - start: the choice that coefficients of 1 give, or better.
    ///   - solve: the choice for given coefficients.
    ///   - glimpse: the distance of a choice on a part of the sample; nil measures all choices whole.
    ///   - measure: the distance of a choice.
    ///   - progress: told after each evaluation.
    package func callAsFunction(
        from start: [Int], solve: ([Double]) throws -> [Int], glimpse: ([Int]) throws -> Double? = { _ in nil },
        measure: ([Int]) throws -> Double,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> Outcome {
        let count = start.count
        var generator = SeededGenerator(seed: seed, stream: "coefficients")
        var best = Step(
            choices: start, coefficients: [Double](repeating: 1, count: count), distance: try measure(start))
        var glimpsedOfBest = try glimpse(start)
        var steps: [Step] = []
        var seen: Set<[Int]> = [start]
        var made = 1
        /// Whether the coefficients gave something closer.
        func attempt(_ coefficients: [Double]) throws -> Bool {
            let choices = try solve(coefficients)
            guard seen.insert(choices).inserted else { return false }
            made += 1
            defer { progress(made, evaluations) }
            let glimpsed = try glimpse(choices)
            if let glimpsed, let most = glimpsedOfBest.map({ margin * $0 }), !(glimpsed <= most) { return false }
            let distance = try measure(choices)
            guard distance < best.distance else { return false }
            glimpsedOfBest = glimpsed
            best = Step(choices: choices, coefficients: coefficients, distance: distance)
            steps.append(best)
            return true
        }
        guard count > 0 else { return Outcome(steps: [], evaluations: made) }
        let most = max(1, count / 2)
        /// How many steps there were when half of the matrices were mutated last.
        var stepsBefore = 0
        var mutations = most
        while made < evaluations {
            let patience = 10 * mutations > count + 9 ? patienceWithMany : patience
            var failures = 0
            while failures < patience, made < evaluations {
                var coefficients = best.coefficients
                for index in (0..<count).shuffled(using: &generator).prefix(mutations) {
                    coefficients[index] *= exp(spread * generator.nextNormal())
                }
                failures = try attempt(coefficients) ? 0 : failures + 1
            }
            if mutations > 1 {
                mutations /= 2
            } else if steps.count > stepsBefore {
                (mutations, stepsBefore) = (most, steps.count)
            } else {
                break
            }
        }
        return Outcome(steps: steps, evaluations: made)
    }
}
