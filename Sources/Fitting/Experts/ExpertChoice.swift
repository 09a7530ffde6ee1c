import LinearAlgebra
import Tensors

/// What a token's choice of experts costs: |t - sum over the chosen of v_e|^2, with t what the experts should make together
/// and v_e what each adds by being chosen.
///
/// A sum that is scaled (FactorLLM, arXiv 2408.11855) has v_e = scale * o_e and t the layer's output; one in which a constant
/// m_e stands for an expert that is left out has v_e = o_e - m_e and t = sum of all v_e.
public struct ExpertChoice: Sendable {
    /// |t|^2, t v_e, v_e v_f.
    private let squared: Double
    private let products: [Double]
    private let gram: DoubleMatrix

    /// - Parameters:
    ///   - target: t.
    ///   - parts: v_e, experts x features.
    public init(target: [Float], parts: Matrix) {
        let wide = parts.converted(to: Double.self)
        let column = DoubleMatrix(rows: target.count, columns: 1, elements: target.map(Double.init))
        squared = column.elements.reduce(0) { $0 + $1 * $1 }
        products = wide.multiplied(by: column).elements
        gram = wide.multiplied(by: wide, transposeOther: true)
    }

    /// The squared error of a choice.
    public func error(_ chosen: [Int]) -> Double {
        var sum = squared
        for (place, expert) in chosen.enumerated() {
            sum += gram[expert, expert] - 2 * products[expert]
            for other in chosen[..<place] { sum += 2 * gram[expert, other] }
        }
        return max(0, sum)
    }

    /// Choices that are tried one by one.
    private static let mostTried = 1000

    /// The choice of `count` experts with the least error, ascending: the best of all where these are few, else what is left
    /// when the expert whose absence costs least goes, one after the other.
    /// - Parameter shared: how many experts, the first ones, are always chosen.
    /// - Precondition: `count` is from 1 to the number of experts, and at least `shared`.
    public func best(_ count: Int, shared: Int = 0) -> [Int] {
        let (always, free) = (Array(0..<shared), products.count - shared)
        guard Self.choices(of: count - shared, among: free) > Self.mostTried else {
            var (best, least) = (Array(0..<count), Double.infinity)
            Self.forEachChoice(of: count - shared, among: free) { choice in
                let choice = always + choice.map { $0 + shared }
                let error = error(choice)
                if error < least { (best, least) = (choice, error) }
            }
            return best
        }
        return removed(to: count, shared: shared)
    }

    private func removed(to count: Int, shared: Int) -> [Int] {
        var kept = Array(products.indices)
        // What each expert's absence adds: |v_e|^2 - 2 v_e (what the kept make beyond t), with what is kept next to t.
        var excess = kept.map { expert in kept.reduce(-products[expert]) { $0 + gram[expert, $1] } }
        while kept.count > count {
            func costs(_ expert: Int) -> Double { gram[expert, expert] - 2 * excess[expert] }
            guard let worst = kept.dropFirst(shared).min(by: { costs($0) < costs($1) }) else { return kept }
            kept.removeAll { $0 == worst }
            for expert in excess.indices { excess[expert] -= gram[expert, worst] }
        }
        return kept
    }

    /// Bounded, so that it cannot overflow.
    private static func choices(of count: Int, among total: Int) -> Int {
        var result = 1
        for index in 0..<min(count, total - count) {
            result = result * (total - index) / (index + 1)
            if result > mostTried { return result }
        }
        return result
    }

    private static func forEachChoice(of count: Int, among total: Int, _ body: ([Int]) -> Void) {
        var choice = Array(0..<count)
        while true {
            body(choice)
            guard let place = choice.indices.last(where: { choice[$0] < total - count + $0 }) else { return }
            choice[place] += 1
            for next in place + 1..<max(count, place + 1) { choice[next] = choice[next - 1] + 1 }
        }
    }
}
