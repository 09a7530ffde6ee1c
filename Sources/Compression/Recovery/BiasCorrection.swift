import Tensors

/// The mean error of a layer's outputs, absorbed in its bias.
package enum BiasCorrection {
    /// b + W E[x] + E[r] - V E[x^]: the bias that makes the mean of V x^ + bias that of the dense model's outputs (and of what
    /// the sum lacks, where moments have that).
    /// - Parameters:
    ///   - weight: W, outputs x the dense model's features.
    ///   - replacement: V, outputs x the compressed model's.
    package static func bias(
        _ bias: [Float], weight: Matrix, replacement: Matrix, moments: PairedMoments
    ) -> [Float] {
        weight.withView { weight in
            replacement.withView { replacement in
                (0..<weight.rows).map { row in
                    let (old, new) = (weight.row(row), replacement.row(row))
                    var sum = Double(bias[row]) + (moments.lackMean.isEmpty ? 0 : moments.lackMean[row])
                    for column in 0..<weight.columns { sum += Double(old[column]) * moments.denseMean[column] }
                    for column in 0..<replacement.columns { sum -= Double(new[column]) * moments.ownMean[column] }
                    return Float(sum)
                }
            }
        }
    }
}
