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
    /// Keeps the bases, for a run that goes on.
    var journal: Journal?
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
        try walk(&model, "the stream cut to \(widths)") { model, place, basis in
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
        try walk(&model, "the stream") { _, _, basis in
            bases.append(basis)
            return nil
        }
        return bases
    }

    /// Shows `body` every place's basis in order; what it turned the place by is followed.
    /// - Parameter stream: what the bases are kept as.
    private func walk<Model: NetworkModel>(
        _ model: inout Model, _ stream: String, _ body: (inout Model, Int, StreamBasis) throws -> DoubleMatrix?
    ) throws {
        var walk = try BlockWalk(
            sequences, batches: model.batches(sequences), width: model.hiddenSize, context: context)
        try walk.pass(to: 0, of: model)
        let blocks = model.blockCount
        for block in 0..<blocks {
            progress(block, blocks)
            let entering = try kept(2 * block, stream, model) {
                var moments = StreamMoments(model, place: 2 * block)
                for batch in walk.batches.indices {
                    try walk.states(of: batch, in: model).withView { moments.add($0, context) }
                }
                return moments
            }
            if let directions = try body(&model, 2 * block, entering) {
                try walk.replaceStates { $0.converted(to: Double.self).multiplied(by: directions).converted() }
            }
            // The skip matrix reads the stream itself, whatever parts the block has.
            let middle = try kept(2 * block + 1, stream, model) {
                try moments(2 * block + 1, of: model.inputName(block, .feedForwardSkip), model, walk)
            }
            _ = try body(&model, 2 * block + 1, middle)
            if block + 1 < blocks { try walk.pass(to: block + 1, of: model) }
        }
        if let end = model.endInputName {
            let last = try kept(2 * blocks, stream, model) { try moments(2 * blocks, of: end, model, walk) }
            _ = try body(&model, 2 * blocks, last)
        }
        progress(blocks, blocks)
    }

    private func kept(
        _ place: Int, _ stream: String, _ model: any NetworkModel, _ measure: () throws -> StreamMoments
    ) throws -> StreamBasis {
        let width = model.streamWidths[place]
        return try journal.kept("basis at place \(place) of \(stream)") { (found: StreamBasis) in
            found.directions.rows == width && found.energies.count == width
        } make: {
            var moments = try measure()
            return try moments.basis(basis, context)
        }
    }

    /// Moments at a place that the next block passes, by the name of an input that is the stream there.
    private func moments(
        _ place: Int, of name: String, _ model: any NetworkModel, _ walk: BlockWalk
    ) throws -> StreamMoments {
        var moments = StreamMoments(model, place: place)
        for batch in walk.batches.indices {
            _ = try walk.run(batch, to: walk.next + 1, of: model) { input, activations in
                if input == name { moments.add(activations, context) }
            }
        }
        return moments
    }
}

extension StreamBasis: JournaledMatrices {
    var journaled: [(name: String, matrix: DoubleMatrix)] {
        [("directions", directions), ("energies", DoubleMatrix(row: energies))]
    }

    init?(journaled: [String: DoubleMatrix]) { self.init(journaled: journaled, of: "") }

    /// - Parameter owner: what the names begin with.
    init?(journaled: [String: DoubleMatrix], of owner: String) {
        guard let directions = journaled[owner + "directions"], let energies = journaled[owner + "energies"]?.elements,
            directions.columns == energies.count
        else { return nil }
        self.init(directions: directions, energies: energies)
    }
}

/// Second moments of the stream as norms leave it: every token counts alike, however long its vector.
private struct StreamMoments {
    private var sums: MomentSums
    private var tokens = 0
    private let name: String

    init(_ model: any NetworkModel, place: Int) {
        let block = model.coupling.blocks[min(place / 2, model.blockCount - 1)].name
        name = "the stream of \(block)"
        sums = MomentSums(features: [name: model.streamWidths[place]])
    }

    mutating func add(_ states: MatrixView, _ context: ExecutionContext) {
        var rows = Matrix(copying: states)
        for row in 0..<rows.rows {
            let square = rows.row(row).reduce(0) { $0 + Double($1) * Double($1) } / Double(max(1, rows.columns))
            guard square > 0 else { continue }
            let scale = Float(1 / square.squareRoot())
            for column in 0..<rows.columns { rows[row, column] *= scale }
        }
        rows.withView { sums.see(name, $0) }
        sums.addFull(context)
        tokens += rows.rows
    }

    mutating func basis(_ kind: StreamBasis.Kind, _ context: ExecutionContext) throws -> StreamBasis {
        sums.add(context)
        return try StreamBasis(kind, second: sums.take(name, tokens: tokens).second)
    }
}
