import StructuredMatrices
import Tensors
import Transformers

/// A causal model whose scores after a token are a fixed row: what is measured can be computed by hand.
struct BigramModel: CausalModel {
    let architecture = "bigram"
    let rows: [[Float]]
    let maximumPositions = 8

    var sites: [MatrixSite] { [] }
    var vocabularySize: Int { rows.count }
    subscript(site name: String) -> any StructuredMatrix {
        get { Dense(Matrix(rows: 0, columns: 0)) }
        set {}
    }

    mutating func prepare(_ options: PreparationOptions, context: ExecutionContext) {}
    func observe(_ sequences: [[Int]], context: ExecutionContext, observer: ActivationObserver) throws {}
    /// Never asked for here.
    func makeCache(_ precision: CachePrecision) -> KeyValueCache { preconditionFailure("a bigram model keeps no cache") }
    func advance(
        _ tokens: [[Int]], caches: inout [KeyValueCache], context: ExecutionContext
    ) throws -> Matrix { preconditionFailure("a bigram model keeps no cache") }

    func logits(_ tokens: [Int], context: ExecutionContext) throws -> Matrix {
        try check([tokens])
        return Matrix(rows: tokens.count, columns: rows.count) { rows[tokens[$0]][$1] }
    }
}
