import Foundation
import Tensors

/// Distributions over the vocabulary from rows of scores, in `Double`.
package enum LogProbabilities {
    /// -log softmax(scores)[token].
    package static func loss(_ scores: ArraySlice<Float>, token: Int) -> Double {
        guard let highest = scores.max() else { return .nan }
        var sum = 0.0
        for score in scores { sum += exp(Double(score - highest)) }
        return log(sum) - Double(scores[scores.startIndex + token] - highest)
    }

    /// KL(p || q) = sum p (log p - log q) of the two softmax distributions, in nats; rounding below 0 counts as 0.
    package static func divergence(of scores: ArraySlice<Float>, from reference: ArraySlice<Float>) -> Double {
        comparison(of: scores, with: reference, token: 0).divergence
    }

    /// The divergence as above and the losses of both at a token, in one pass: exponentials are what takes the time.
    static func comparison(
        of scores: ArraySlice<Float>, with reference: ArraySlice<Float>, token: Int
    ) -> (divergence: Double, loss: Double, referenceLoss: Double) {
        guard let highest = scores.max(), let referenceHighest = reference.max() else { return (.nan, .nan, .nan) }
        var (sum, referenceSum, difference) = (0.0, 0.0, 0.0)
        for (score, wanted) in zip(scores, reference) {
            let (q, p) = (Double(score - highest), Double(wanted - referenceHighest))
            let weight = exp(p)
            sum += exp(q)
            referenceSum += weight
            // A token of probability 0 adds nothing, whatever the other model thinks of it.
            if weight > 0 { difference += weight * (p - q) }
        }
        let divergence = difference / referenceSum + log(sum) - log(referenceSum)
        // Not `max`: that would hide NaN.
        return (
            divergence < 0 ? 0 : divergence, log(sum) - Double(scores[scores.startIndex + token] - highest),
            log(referenceSum) - Double(reference[reference.startIndex + token] - referenceHighest)
        )
    }
}
