import Foundation
import Tensors

/// log softmax of a row of scores, in `Double`.
func logProbabilities(_ logits: ArraySlice<Float>) -> [Double] {
    let highest = Double(logits.max() ?? 0)
    var sum = 0.0
    for logit in logits { sum += exp(Double(logit) - highest) }
    let shift = highest + log(sum)
    return logits.map { Double($0) - shift }
}

extension DenseMatrix {
    /// The elements of a row.
    func row(_ row: Int) -> ArraySlice<Scalar> { elements[row * columns..<(row + 1) * columns] }
}
