import Fitting
import LinearAlgebra
import ModelFiles
import Tensors
import Transformers

/// Makes experts of one feed-forward network: which neurons go together, which experts a token needs, how the router knows,
/// and what stands for the others.
struct ExpertCutter: Sendable {
    /// For messages.
    let name: String
    let sizes: ExpertSizes
    let method: ExpertMethod
    /// width x neurons.
    let down: Matrix
    let seed: UInt64
    let context: ExecutionContext

    struct Cut {
        /// The order that neurons come into.
        let neurons: [Int]
        let experts: RoutedExperts
        /// As `ExpertFit`.
        let error: Double
        let leastError: Double
    }

    /// Deterministic; the same bits at any number of threads. Cost, for each token: three times the products of `down`, and of
    /// the router's fit 2 width x experts multiply-adds for each of up to 100 iterations.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    func cut(_ seen: ExpertActivations) throws -> Cut {
        let units = try self.units(seen.hidden)
        let parts = Parts(hidden: seen.hidden, down: down, units: units)
        // Before the router is known a constant stands for an expert as if all were left out alike often.
        let first = sizes.substitute == .means ? parts.means(of: seen.hidden) : nil
        let labels = try eachToken(parts) { outputs in
            sizes.substitute == .means
                ? choices(outputs, first).map { $0.best(sizes.active, shared: shared) }
                : FeedForwardSplit.nearest(sizes.active, outputs: outputs, layer: Self.sum(outputs)).map { $0.sorted() }
        }
        let routed = try RouterFitter().fit(
            seen.inputs, labels: labels.map { $0.filter { $0 >= shared }.map { $0 - shared } }, experts: sizes.count - shared,
            context: FitContext(name: name, seed: seed, execution: context))
        let fitted = ExpertRouter(
            weight: Matrix(
                rows: sizes.count, columns: routed.weight.columns,
                elements: Array(repeating: 0, count: shared * routed.weight.columns) + routed.weight.elements),
            bias: Array(repeating: Self.always, count: shared) + routed.bias)
        func experts(_ means: Matrix?) -> RoutedExperts {
            RoutedExperts(sizes: sizes, router: fitted.weight, bias: fitted.bias, means: means)
        }
        let router = experts(first)
        let chosen = try context.parallelMap(seen.inputs.rows) { token in
            seen.inputs.row(token).withUnsafeBufferPointer { row in
                row.baseAddress.map { router.chosen(router.scores($0)) } ?? []
            }
        }
        let means = try first.map { try constants(from: $0, parts, chosen) }
        let errors = try self.errors(parts, means, chosen)
        return Cut(
            neurons: units.flatMap(\.self), experts: experts(means), error: errors.router, leastError: errors.least)
    }

    /// No score of another expert reaches this bias.
    private static let always: Float = 1e30

    /// Experts that every token gets; the router chooses at least one.
    private var shared: Int { min(method.shared, sizes.active - 1) }

    /// The neurons of every expert, ascending; shared experts first.
    private func units(_ hidden: Matrix) throws -> [[Int]] {
        let neurons = hidden.columns
        let inOrder = try FeedForwardSplit(hidden: neurons, experts: sizes.count)
        guard method.split == .activity, sizes.count > 1 else { return inOrder.units }
        var moments = DoubleMatrix(rows: neurons, columns: neurons)
        for rows in Parts.pieces(of: hidden.rows) {
            moments.addGramian(of: hidden.block(rows: rows, columns: 0..<neurons).converted(to: Double.self))
        }
        moments.scale(by: 1 / Double(max(1, hidden.rows)))
        let worth = (0..<neurons).map { neuron in
            moments[neuron, neuron] * (0..<down.rows).reduce(0.0) { $0 + Double(down[$1, neuron]) * Double(down[$1, neuron]) }
        }
        let order = worth.indices.sorted { (worth[$1], $0) < (worth[$0], $1) }
        let size = neurons / sizes.count
        let common = (0..<shared).map { Array(order[$0 * size..<($0 + 1) * size]).sorted() }
        let rest = order.dropFirst(shared * size).sorted()
        let own = DoubleMatrix(rows: rest.count, columns: rest.count) { moments[rest[$0], rest[$1]] }
        let split = try FeedForwardSplit(
            moments: Gram(own), experts: sizes.count - shared,
            context: FitContext(name: name, seed: seed, execution: context))
        return common + split.units.map { $0.map { rest[$0] } }
    }

    /// What experts give, some tokens at a time.
    private struct Parts: Sendable {
        let hidden: Matrix
        /// Each expert's columns, width x neurons of it.
        let down: [Matrix]
        let units: [[Int]]

        init(hidden: Matrix, down: Matrix, units: [[Int]]) {
            self.hidden = hidden
            self.units = units
            self.down = units.map { units in Matrix(rows: down.rows, columns: units.count) { down[$0, units[$1]] } }
        }

        static func pieces(of tokens: Int) -> [Range<Int>] {
            stride(from: 0, to: tokens, by: 256).map { $0..<min(tokens, $0 + 256) }
        }

        /// Tokens x width for each expert.
        func outputs(_ tokens: Range<Int>) -> [Matrix] {
            zip(units, down).map { units, down in
                Matrix(rows: tokens.count, columns: units.count) { hidden[tokens.lowerBound + $0, units[$1]] }
                    .multiplied(by: down, transposeOther: true)
            }
        }

        /// The mean of what each expert gives, experts x width.
        func means(of hidden: Matrix) -> Matrix {
            var sums = Array(repeating: 0.0, count: hidden.columns)
            for token in 0..<hidden.rows {
                for (neuron, value) in hidden.row(token).enumerated() { sums[neuron] += Double(value) }
            }
            let share = 1 / Double(max(1, hidden.rows))
            let rows = zip(units, down).flatMap { units, down -> [Float] in
                Matrix(rows: 1, columns: units.count) { Float(sums[units[$1]] * share) }
                    .multiplied(by: down, transposeOther: true).elements
            }
            return Matrix(rows: units.count, columns: rows.count / max(1, units.count), elements: rows)
        }
    }

    private static func sum(_ outputs: [Matrix]) -> Matrix { outputs.dropFirst().reduce(outputs[0], +) }

    /// A value of every token, in order.
    private func eachToken<Value: Sendable>(
        _ parts: Parts, _ body: @Sendable (_ outputs: [Matrix]) -> [Value]
    ) throws -> [Value] {
        let pieces = Parts.pieces(of: parts.hidden.rows)
        return try context.parallelMap(pieces.count) { body(parts.outputs(pieces[$0])) }.flatMap(\.self)
    }

    /// What a choice of experts costs each token.
    private func choices(_ outputs: [Matrix], _ means: Matrix?) -> [ExpertChoice] {
        let scale = sizes.substitute == .scale ? Float(sizes.count) / Float(sizes.active) : 1
        return (0..<outputs[0].rows).map { token in
            let own = Matrix(rows: outputs.count, columns: outputs[0].columns) { expert, feature in
                scale * outputs[expert][token, feature] - (means?[expert, feature] ?? 0)
            }
            let target = (0..<own.columns).map { feature in
                outputs.indices.reduce(Float(0)) { $0 + outputs[$1][token, feature] - (means?[$1, feature] ?? 0) }
            }
            return ExpertChoice(target: target, parts: own)
        }
    }

    /// The constants that, each standing for its expert where the router leaves that out, leave the least squared error.
    private func constants(from first: Matrix, _ parts: Parts, _ chosen: [[Int]]) throws -> Matrix {
        let count = sizes.count
        let left = chosen.map { chosen in (0..<count).filter { !chosen.contains($0) } }
        let pieces = Parts.pieces(of: parts.hidden.rows)
        // Of what the constants leave to explain: Z^T Y, with Z saying which experts a token does without.
        let sums = try context.parallelMap(pieces.count) { piece -> DoubleMatrix in
            let outputs = parts.outputs(pieces[piece])
            var sum = DoubleMatrix(rows: count, columns: first.columns)
            for (row, token) in pieces[piece].enumerated() {
                for feature in 0..<first.columns {
                    let rest = left[token].reduce(0.0) { $0 + Double(outputs[$1][row, feature] - first[$1, feature]) }
                    for expert in left[token] { sum[expert, feature] += rest }
                }
            }
            return sum
        }
        var together = DoubleMatrix(rows: count, columns: count)
        for left in left {
            for expert in left { for other in left { together[expert, other] += 1 } }
        }
        let right = sums.dropFirst().reduce(sums.first ?? DoubleMatrix(rows: count, columns: first.columns), +)
        let change = try solvePositive(together, right, relativeRidge: 1e-4)
        return Matrix(rows: count, columns: first.columns) { Float(Double(first[$0, $1]) + change[$0, $1]) }
    }

    /// Of the router's choices, and of the best ones, relative to the size of the output.
    private func errors(_ parts: Parts, _ means: Matrix?, _ chosen: [[Int]]) throws -> (router: Double, least: Double) {
        let pieces = Parts.pieces(of: parts.hidden.rows)
        let sums = try context.parallelMap(pieces.count) { piece -> (size: Double, router: Double, least: Double) in
            let outputs = parts.outputs(pieces[piece])
            let choices = choices(outputs, means)
            var sums = (size: Self.sum(outputs).squaredNorm, router: 0.0, least: 0.0)
            for (choice, token) in zip(choices, pieces[piece]) {
                sums.router += choice.error(chosen[token])
                sums.least += choice.error(choice.best(sizes.active, shared: shared))
            }
            return sums
        }
        let size = sums.reduce(0) { $0 + $1.size }
        guard size > 0 else { return (0, 0) }
        return (sums.reduce(0) { $0 + $1.router } / size, sums.reduce(0) { $0 + $1.least } / size)
    }
}
