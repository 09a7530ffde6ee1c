import LinearAlgebra
import Rewriting
import StructuredMatrices
import Tensors
import Transformers

/// Turns the residual stream of a network whose norms take nothing but root mean squares (`fuseNorms`), and cuts its end off.
extension NetworkModel {
    /// Turns the whole stream by one orthogonal matrix, features x features, whose columns are the new directions. What is
    /// computed stays the same, because the root mean square does: norm(Q^T x) = Q^T norm(x).
    package mutating func rotateStream(by directions: DoubleMatrix) {
        for place in coupling.places.indices { turnStream(place, by: directions) }
    }

    /// Skip matrices everywhere: identities where the stream went as it is.
    package mutating func addSkips() {
        for place in coupling.places.indices.dropLast() where self[skip: place] == nil {
            self[skip: place] = Dense(.identity(streamFeatures))
        }
    }

    /// Turns the stream at one place: what writes to it gives Q^T W, Q^T b, what reads it takes W Q, Q being features x width
    /// with orthonormal columns. Exact where the place's stream lies in their span and skip matrices lead to and from it.
    ///
    /// Cost: the place's matrices times the width; they are kept in f32.
    /// - Precondition: the place is as wide as Q has rows, and its norm has no gain.
    package mutating func turnStream(_ index: Int, by directions: DoubleMatrix) {
        let place = coupling.places[index]
        for member in place.members {
            let weight: DoubleMatrix = self[site: member.site].dense().converted()
            let turned =
                switch member.side {
                case .inputs: weight.multiplied(by: directions)
                case .outputs: directions.multiplied(by: weight, transposeSelf: true)
                }
            self[site: member.site] = Dense(turned.converted(to: Float.self))
        }
        for name in place.writers.compactMap(\.bias) + place.constants {
            guard let values = self[vector: name], !values.isEmpty else { continue }
            let column = DoubleMatrix(rows: values.count, columns: 1, elements: values.map(Double.init))
            self[vector: name] = directions.multiplied(by: column, transposeSelf: true).elements.map(Float.init)
        }
        if let norm = place.norm { self[vector: norm.weight] = Array(repeating: 1, count: directions.columns) }
        var widths = streamWidths
        widths[index] = directions.columns
        streamWidths = widths
    }
}
