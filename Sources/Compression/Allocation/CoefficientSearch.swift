import Foundation
import Tensors

/// SPDY's and ZipLM's search: every matrix's damages get a coefficient; coefficients are drawn and mutated, the knapsack is
/// solved for them, the choice is stitched together and measured in the model, and what is closer to the original is kept.
///
/// It repairs what no table of single matrices holds: how errors of several matrices work together. The first coefficients are
/// those of the best allocation there is, then random ones around them, then mutations of a tenth of the matrices, of
/// half as many, and so on down to one. What is searched on is a sample of the calibration text; whether its result is better is
/// decided on held-out text.
package struct CoefficientSearch: Sendable {
    /// Choices measured at most; the start is one.
    package var evaluations: Int
    package var randomStarts = 8
    /// Choices in a row that are no closer, after which fewer matrices are mutated.
    package var patience = 16
    /// Standard deviation of the logarithm of what a coefficient is multiplied by.
    package var spread = 0.8
    package var seed: UInt64

    package init(evaluations: Int = 96, seed: UInt64 = 0) {
        self.evaluations = evaluations
        self.seed = seed
    }

    package struct Outcome: Sendable {
        package let choices: [Int]
        /// One for each matrix.
        package let coefficients: [Double]
        package let distance: Double
        /// Of distinct choices.
        package let evaluations: Int
    }

    /// - Parameters:
    ///   - start: the choice that coefficients of 1 give, or better.
    ///   - solve: the choice for given coefficients.
    ///   - measure: the distance of a choice.
    ///   - progress: told after each evaluation.
    /// - Returns: the closest choice met; never one farther than `start`.
    package func callAsFunction(
        from start: [Int], solve: ([Double]) throws -> [Int], measure: ([Int]) throws -> Double,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> Outcome {
        let count = start.count
        var generator = SeededGenerator(seed: seed, stream: "coefficients")
        var best = (choices: start, coefficients: [Double](repeating: 1, count: count), distance: try measure(start))
        var seen: Set<[Int]> = [start]
        var made = 1
        /// Whether the coefficients gave something closer.
        func attempt(_ coefficients: [Double]) throws -> Bool {
            let choices = try solve(coefficients)
            guard seen.insert(choices).inserted else { return false }
            let distance = try measure(choices)
            made += 1
            progress(made, evaluations)
            guard distance < best.distance else { return false }
            best = (choices, coefficients, distance)
            return true
        }
        func mutated(_ indices: some Sequence<Int>) -> [Double] {
            var coefficients = best.coefficients
            for index in indices { coefficients[index] *= exp(spread * generator.nextNormal()) }
            return coefficients
        }
        guard count > 0 else { return Outcome(choices: start, coefficients: [], distance: best.distance, evaluations: made) }
        let origin = best.coefficients
        for _ in 0..<randomStarts where made < evaluations {
            let kept = best
            best.coefficients = origin
            let coefficients = mutated(0..<count)
            best.coefficients = kept.coefficients
            _ = try attempt(coefficients)
        }
        var mutations = max(1, (count + 9) / 10)
        while made < evaluations {
            var failures = 0
            while failures < patience, made < evaluations {
                let chosen = (0..<count).shuffled(using: &generator).prefix(mutations)
                failures = try attempt(mutated(chosen)) ? 0 : failures + 1
            }
            guard mutations > 1 else { break }
            mutations /= 2
        }
        return Outcome(
            choices: best.choices, coefficients: best.coefficients, distance: best.distance, evaluations: made)
    }
}
