import LinearAlgebra
import Rewriting
import StructuredMatrices
import Tensors
import Transformers

/// Cuts the residual stream of a network front to back (SliceGPT, arXiv 2401.15024): at every place the directions of what
/// arrives there, behind all that is cut already, and skip matrices from each place to the next.
///
/// Norms keep dividing by the features of the uncut stream. Memory: the stream of the calibration tokens, and its moments,
/// features^2 doubles.
package struct StreamSlicer: Sendable {
    let sequences: [[Int]]
    let basis: StreamBasis.Kind
    let context: ExecutionContext
    let progress: @Sendable (_ done: Int, _ total: Int) -> Void

    package init(
        sequences: [[Int]], basis: StreamBasis.Kind = .principal, context: ExecutionContext,
        progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) {
        self.sequences = sequences
        self.basis = basis
        self.context = context
        self.progress = progress
    }

    /// - Parameters:
    ///   - model: fused (`fuseNorms`); skip matrices are added where there are none.
    ///   - widths: of every place.
    /// - Throws: `TransformersError`, `LinearAlgebraError`, `CompressionError.notFinite`.
    package func slice<Model: NetworkModel>(_ model: Model, to widths: [Int]) throws -> Model {
        var model = model
        model.addSkips()
        try walk(&model) { model, place, basis in
            let directions = basis.leading(widths[place])
            model.turnStream(place, by: directions)
            return directions
        }
        return model
    }

    /// The bases at every place of the uncut stream.
    /// - Throws: as above.
    package func bases<Model: NetworkModel>(_ model: Model) throws -> [StreamBasis] {
        var model = model
        model.addSkips()
        var bases: [StreamBasis] = []
        try walk(&model) { _, _, basis in
            bases.append(basis)
            return nil
        }
        return bases
    }

    /// Shows `body` every place's basis in order; what it turned the place by is followed.
    private func walk<Model: NetworkModel>(
        _ model: inout Model, _ body: (inout Model, Int, StreamBasis) throws -> DoubleMatrix?
    ) throws {
        var states = try model.states(sequences, context: context)
        let blocks = model.layerCount
        for block in 0..<blocks {
            progress(block, blocks)
            var entering = StreamMoments(columns: states.columns)
            states.withView { entering.add($0) }
            if let directions = try body(&model, 2 * block, entering.basis(basis, model, block)) {
                states = states.converted(to: Double.self).multiplied(by: directions).converted()
            }
            // The skip matrix reads the stream itself, whatever parts the block has.
            let name = model.inputName(block, .feedForwardSkip)
            var middle = StreamMoments(columns: model.streamWidths[2 * block + 1])
            _ = try model.run(block..<block + 1, on: states, of: sequences, context: context) { input, activations in
                if input == name { middle.add(activations) }
            }
            _ = try body(&model, 2 * block + 1, middle.basis(basis, model, block))
            guard block + 1 == blocks else {
                states = try model.run(block..<block + 1, on: states, of: sequences, context: context) { _, _ in }
                continue
            }
            let end = model.endInputName
            var last = StreamMoments(columns: model.streamWidths[2 * blocks])
            _ = try model.run(block..<blocks, on: states, of: sequences, context: context) { input, activations in
                if input == end { last.add(activations) }
            }
            _ = try body(&model, 2 * blocks, last.basis(basis, model, block))
        }
        progress(blocks, blocks)
    }
}

/// Second moments of the stream as norms leave it: every token counts alike, however long its vector.
private struct StreamMoments {
    private var second: DoubleMatrix
    private var tokens = 0

    init(columns: Int) { second = DoubleMatrix(rows: columns, columns: columns) }

    mutating func add(_ states: MatrixView) {
        var rows = DoubleMatrix(rows: states.rows, columns: states.columns) { Double(states.row($0)[$1]) }
        for row in 0..<rows.rows {
            let square = rows.row(row).reduce(0) { $0 + $1 * $1 } / Double(max(1, rows.columns))
            guard square > 0 else { continue }
            let scale = 1 / square.squareRoot()
            for column in 0..<rows.columns { rows[row, column] *= scale }
        }
        second.addGramian(of: rows)
        tokens += rows.rows
    }

    func basis(_ kind: StreamBasis.Kind, _ model: any NetworkModel, _ block: Int) throws -> StreamBasis {
        guard second.isFinite else {
            throw CompressionError.notFinite(matrix: model.coupling.blocks[block].name, what: "the residual stream")
        }
        var mean = second
        mean.scale(by: 1 / Double(max(1, tokens)))
        return try StreamBasis(kind, second: mean)
    }
}
