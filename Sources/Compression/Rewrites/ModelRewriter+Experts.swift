import ModelFiles
import Rewriting
import Tensors
import Transformers

/// Feed-forward networks cut into experts, of which a router chooses some for every token (FactorLLM, arXiv 2408.11855). No
/// weight changes; neurons may change places.
extension ModelRewriter {
    func cutIntoExperts(_ model: any NetworkModel, _ method: ExpertMethod) throws -> Outcome {
        let active = Int((share * Double(method.count) + 1e-9).rounded(.down))
        guard active > 0 else {
            throw RewritingError.unreachable(
                target: FigureText.percent(share), least: FigureText.percent(1 / Double(method.count)))
        }
        let sizes = ExpertSizes(count: method.count, active: active, substitute: method.substitute)
        let cut = model.blockSizes.indices.filter { model.blockSizes[$0].feedForwardWidth > 0 }
        var (result, fits) = (model, [ExpertFit]())
        var states = try model.states(calibration, context: context)
        let report = self.report("cutting into experts")
        for block in model.blockSizes.indices {
            report(block, model.blockSizes.count)
            var after: Matrix?
            if cut.contains(block) {
                let width = model.blockSizes[block].feedForwardWidth
                let made = try journal.kept("experts of block \(block) at \(share)") { (found: ExpertCutter.Cut) in
                    found.experts.sizes == sizes && found.experts.router.columns == model.hiddenSize
                        && found.neurons.sorted() == Array(0..<width)
                } make: {
                    let name = model.siteName(block, .down)
                    let (seen, output) = try activations(of: result, block, states)
                    after = output
                    guard seen.isFinite else { throw CompressionError.notFinite(matrix: name, what: "the calibration input") }
                    return try ExpertCutter(
                        name: name, sizes: sizes, method: method, down: model.linear(block, .down).weight.dense(),
                        seed: seed, context: context
                    ).cut(seen)
                }
                result.permuteNeurons(block, made.neurons)
                result.setExperts(block, made.experts)
                fits.append(ExpertFit(block: block, error: made.error, leastError: made.leastError))
                // Blocks behind see what the cut one gives.
                if self.method.isSequential { after = nil }
            }
            let shown = self.method.isSequential ? result : model
            states = try after ?? shown.run(block..<block + 1, on: states, of: calibration, context: context) { _, _ in }
        }
        report(model.blockSizes.count, model.blockSizes.count)
        return Outcome(
            model: result,
            touched: (
                cut.reduce(0) { $0 + model.feedForwardMultiplyAdds($1) },
                cut.reduce(0) { $0 + result.feedForwardMultiplyAdds($1) }
            ), experts: fits)
    }

    /// What the feed-forward network of a block sees and makes of it, and what the block gives.
    private func activations(
        of model: any NetworkModel, _ block: Int, _ states: Matrix
    ) throws -> (seen: ExpertActivations, after: Matrix) {
        var seen = ExpertActivations(tokens: states.rows)
        let (inputs, hidden) = (model.inputName(block, .up), model.inputName(block, .down))
        let after = try model.run(block..<block + 1, on: states, of: calibration, context: context) { name, rows in
            if name == inputs { seen.addInputs(rows) }
            if name == hidden { seen.addHidden(rows) }
        }
        return (seen, after)
    }
}

/// What a feed-forward network read and made of it, for some of the calibration tokens.
struct ExpertActivations {
    /// tokens x width, and tokens x neurons.
    private(set) var inputs = Matrix(rows: 0, columns: 0)
    private(set) var hidden = Matrix(rows: 0, columns: 0)
    private let total: Int
    private var (seenInputs, seenHidden) = (0, 0)

    /// Tokens that are kept at most, evenly spread.
    private static let most = 16_384

    /// - Parameter tokens: that there will be.
    init(tokens: Int) { total = tokens }

    mutating func addInputs(_ rows: MatrixView) { Self.add(rows, to: &inputs, seen: &seenInputs, of: total) }
    mutating func addHidden(_ rows: MatrixView) { Self.add(rows, to: &hidden, seen: &seenHidden, of: total) }

    var isFinite: Bool { inputs.isFinite && hidden.isFinite }

    private static func add(_ rows: MatrixView, to matrix: inout Matrix, seen: inout Int, of total: Int) {
        let kept = min(most, total)
        var elements = matrix.elements
        matrix = Matrix(rows: 0, columns: 0)
        for row in 0..<rows.rows {
            // One of every total / kept.
            if (seen + 1) * kept / max(1, total) > seen * kept / max(1, total) {
                elements += UnsafeBufferPointer(start: rows.row(row), count: rows.columns)
            }
            seen += 1
        }
        matrix = Matrix(rows: elements.count / max(1, rows.columns), columns: rows.columns, elements: elements)
    }
}
