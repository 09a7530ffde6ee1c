import LinearAlgebra
import Rewriting
import StructuredMatrices
import Tensors
import Transformers

/// Brings a network into the form in which its stream can be turned: norms without gains and biases that take nothing but root
/// mean squares (SliceGPT, arXiv 2401.15024, section 3.1). What it computes stays the same.
///
/// A norm with gain g and bias b is read as W (g n + b) = (W diag(g)) n + W b. A layer norm subtracts the mean before; with
/// M = I - 1 1^T / d that is the root-mean-square norm of M x, and M moves into all that writes to x.
///
/// Where norms stand last, y = norm(x + F(x)), the stream is what a norm gave, x = g n + b, and the part's sum reads it as the
/// matrices do: n' = norm(M diag(g) n + M (b + F(x))). So a skip matrix M diag(g) carries the stream past the part, and M b
/// joins the bias of the part's output. Uncut that costs d^2 parameters for each part.
extension NetworkModel {
    /// Puts identities between the table of words and the stream, and between the stream and the head that this table is too:
    /// the table then stays as it is, and one, whatever becomes of the stream.
    package mutating func projectTiedEnds() {
        guard isHeadTied, coupling.tied?.readsStream == true else { return }
        _ = addInputProjection(Dense(.identity(streamFeatures)))
        _ = addOutputProjection(Dense(.identity(streamFeatures)), bias: nil)
    }

    /// Replaces every norm of the stream by the root mean square alone.
    ///
    /// Cost: a pass over the matrices; those it changes are kept in f32.
    /// - Throws: `RewritingError.notSliceable` where the head is the table of words (`untieHead`, `projectTiedEnds`), where the
    ///   end of a stream whose mean is taken off is read without a norm, and for a stream that is cut already.
    package mutating func fuseNorms() throws {
        guard !isStreamCut else {
            throw RewritingError.notSliceable(part: coupling.blocks[0].name, reason: "it is cut already")
        }
        if let tied = coupling.tied, tied.readsStream {
            throw RewritingError.notSliceable(
                part: tied.site, reason: "the table of words is the output head too, and only one of the two has the norm's gain")
        }
        let isFirst = coupling.residual.normalizesFirst
        if coupling.residual.readers.isEmpty { _ = addOutputProjection(Dense(.identity(streamFeatures)), bias: nil) }
        let places = coupling.places
        let centres = places.contains { $0.norm?.kind == .layer }
        if isFirst, centres, let reader = places.last?.readers.first, places.last?.norm == nil {
            throw RewritingError.notSliceable(
                part: reader.site, reason: "it reads the stream without a norm, with the mean that norms take off")
        }
        for (index, place) in places.enumerated() {
            let gain = place.norm.flatMap { self[vector: $0.weight] }?.map(Double.init)
            let bias = place.norm.flatMap { $0.bias.flatMap { self[vector: $0] } }?.map(Double.init)
            for reader in place.readers { absorb(reader, gain: gain, bias: bias) }
            // Before a first norm that stands last, the stream is what was written.
            let takesMeans = centres && (isFirst || index > 0 || place.norm != nil)
            // As it is now: the skip matrix before may have given a writer its bias.
            if takesMeans { centre(coupling.places[index]) }
            if let norm = place.norm {
                self[vector: norm.weight] = Array(repeating: 1, count: streamFeatures)
            }
            guard !isFirst, index + 1 < places.count else { continue }
            addSkip(from: index, gain: gain, bias: bias, centres: centres)
        }
        if centres { dropMeans() }
    }

    /// W <- W diag(g), bias <- bias + W b.
    private mutating func absorb(_ reader: LinearDescription, gain: [Double]?, bias: [Double]?) {
        guard gain != nil || bias != nil else { return }
        var weight: DoubleMatrix = self[site: reader.site].dense().converted()
        if let bias, bias.contains(where: { $0 != 0 }) {
            let own = self[vector: "\(reader.site).bias"]
            self[vector: "\(reader.site).bias"] = (0..<weight.rows).map { row in
                Float(Double(own?[row] ?? 0) + zip(weight.row(row), bias).reduce(0) { $0 + $1.0 * $1.1 })
            }
        }
        guard let gain else { return }
        for row in 0..<weight.rows {
            for column in 0..<weight.columns { weight[row, column] *= gain[column] }
        }
        self[site: reader.site] = Dense(weight.converted(to: Float.self))
    }

    /// Takes the mean over features off all that is written to a place.
    private mutating func centre(_ place: StreamPlace) {
        for table in place.tables {
            var rows = self[site: table].dense()
            for row in 0..<rows.rows {
                let mean = Float(rows.row(row).reduce(0) { $0 + Double($1) } / Double(rows.columns))
                for column in 0..<rows.columns { rows[row, column] -= mean }
            }
            self[site: table] = Dense(rows)
        }
        for writer in place.writers {
            self[site: writer.site] = Dense(centred(self[site: writer.site].dense().converted()).converted(to: Float.self))
        }
        for name in place.writers.compactMap(\.bias) + place.constants {
            guard let values = self[vector: name], !values.isEmpty else { continue }
            let mean = Float(values.reduce(0) { $0 + Double($1) } / Double(values.count))
            self[vector: name] = values.map { $0 - mean }
        }
    }

    /// M W.
    private func centred(_ matrix: DoubleMatrix) -> DoubleMatrix {
        var result = matrix
        for column in 0..<matrix.columns {
            let mean = (0..<matrix.rows).reduce(0) { $0 + matrix[$1, column] } / Double(max(1, matrix.rows))
            for row in 0..<matrix.rows { result[row, column] -= mean }
        }
        return result
    }

    /// S = M diag(g) on from a place, and b into the next part's bias. Its mean goes when the next place is centred.
    private mutating func addSkip(from place: Int, gain: [Double]?, bias: [Double]?, centres: Bool) {
        let width = streamFeatures
        let turned = DoubleMatrix(rows: width, columns: width) { $0 == $1 ? gain?[$0] ?? 1 : 0 }
        self[skip: place] = Dense((centres ? centred(turned) : turned).converted(to: Float.self))
        guard let bias, bias.contains(where: { $0 != 0 }) else { return }
        let (block, _) = skipPlace(place)
        let name = "\(siteName(block, place % 2 == 0 ? .attentionOutput : .down)).bias"
        let own = self[vector: name]
        self[vector: name] = bias.indices.map { Float(Double(own?[$0] ?? 0) + bias[$0]) }
    }
}
