import Tensors

/// A matrix laid out for products alone: packed once, when a model is loaded, and then only multiplied with.
///
/// `apply` is the unchecked kernel. It runs on a team (`ExecutionContext.team`): every member calls it with the same
/// arguments, computes its share, and returns; the result is complete after the next barrier, which is the caller's.
/// Nothing is allocated; intermediate results live in `scratch`, shared by the team.
public protocol PreparedProduct: Sendable {
    var shape: MatrixShape { get }

    /// Bytes that one product of a single row reads: weights, scales, indices.
    var byteCount: Int { get }

    /// Floats of scratch that `apply` needs for a batch.
    func scratchFloats(batch: Int) -> Int

    /// Y = X W^T. X batch x columns, Y batch x rows. The bits of a row of Y depend only on its row of X: not on the batch
    /// around it nor on the size of the team. (Compressed rows are summed in one of two orders, as the batch is small or large.)
    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker)

    /// Whether `apply` is `readInput`, a barrier, and `finish`, so that products of one input can have one barrier
    /// together; otherwise it is `finish`.
    func waitsForInput(batch: Int, members: Int) -> Bool

    /// A member's share of what is done with X first, into the scratch.
    func readInput(_ input: MatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker)

    /// The rest of `apply`.
    func finish(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker)

    /// How many columns of Y, in order, every member computes by itself for all rows of X, so that it may go on with
    /// them before a barrier; nil where the work is shared in another way.
    func rowsPerMember(batch: Int, members: Int) -> Int?
}

extension PreparedProduct {
    public func waitsForInput(batch: Int, members: Int) -> Bool { false }

    public func readInput(_ input: MatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker) {}

    public func finish(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        apply(input, into: output, scratch: scratch, worker: worker)
    }

    public func rowsPerMember(batch: Int, members: Int) -> Int? { nil }
}

/// How far activations may be rounded on their way into a product; each allows what those before it allow.
public enum ActivationRounding: String, Sendable, CaseIterable {
    /// As they are.
    case none
    /// To bf16 where a factor is stored in bf16 and the processor multiplies bf16 with bf16 (AVX512_BF16), in every stage
    /// of a structured product. Sums stay in f32, so each input is moved by at most 2^-9 of itself.
    case bf16
    /// To 8 bits with a scale for every group of inputs where the weights are small integers, so that products are of
    /// integers.
    case int8
}

/// What `prepared` may do to a matrix.
public struct PreparationOptions: Sendable, Hashable {
    public var activations: ActivationRounding

    public init(activations: ActivationRounding = .none) { self.activations = activations }
}
