import Tensors

/// A structured matrix kept in two forms: its factors, and multiplied out (pre-merged) for few rows at a time, where one
/// dispatch over a dense matrix may be quicker than several small ones (StructuredFFN, arXiv 2406.16450).
///
/// The two forms round differently, so unlike other prepared products the bits of a row depend on which side of the threshold
/// its batch lies.
public struct PremergedProduct: PreparedProduct {
    public let shape: MatrixShape
    /// The largest batch that is multiplied with the dense form.
    public let largestMergedBatch: Int
    private let factored: any PreparedProduct
    private let merged: any PreparedProduct

    /// Memory: both forms. Cost: `dense()` once.
    /// - Parameters:
    ///   - largestMergedBatch: 0 never uses the dense form.
    ///   - precision: of the dense form.
    public init(
        _ matrix: some StructuredMatrix, largestMergedBatch: Int, precision: Precision = .f32,
        options: PreparationOptions = PreparationOptions()
    ) {
        shape = matrix.shape
        self.largestMergedBatch = largestMergedBatch
        factored = matrix.prepared(options)
        merged = Dense(Factor(matrix.dense(), precision: precision)).prepared(options)
    }

    private func form(_ batch: Int) -> any PreparedProduct { batch <= largestMergedBatch ? merged : factored }

    public var byteCount: Int { form(1).byteCount }

    public func scratchFloats(batch: Int) -> Int { form(batch).scratchFloats(batch: batch) }

    public func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        form(input.rows).apply(input, into: output, scratch: scratch, worker: worker)
    }
}
