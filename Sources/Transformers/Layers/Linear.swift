import StructuredMatrices
import Synchronization
import Tensors

/// y = W x + b, W any structured matrix.
public struct Linear: Sendable {
    /// outputs x inputs. Setting it drops its prepared form.
    public var weight: any StructuredMatrix {
        didSet { prepared = nil }
    }
    /// One number per output, or nil.
    public internal(set) var bias: [Float]?
    /// The weight laid out for products, made by `TransformerModel.prepare`.
    public internal(set) var prepared: (any PreparedProduct)?

    /// - Precondition: a bias has as many numbers as the weight has rows.
    public init(weight: any StructuredMatrix, bias: [Float]? = nil) {
        precondition(bias.map { $0.count == weight.shape.rows } ?? true)
        self.weight = weight
        self.bias = bias
    }

    /// Floats of scratch that `multiply` needs for a batch, in whole cache lines.
    func scratchFloats(batch: Int) -> Int {
        prepared.map { ActivationArena.aligned($0.scratchFloats(batch: batch)) } ?? 0
    }

    /// A member's share of X W^T, without the bias; complete after the next barrier. X is tokens x inputs, Y tokens x
    /// outputs. Trusts shapes.
    func multiply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        var products = ProductsOfOneInput(input, scratch: scratch, worker: worker)
        products.read(for: self)
        products.barrier()
        products.multiply(self, into: output)
    }

    /// As `PreparedProduct.rowsPerMember`.
    func rowsPerMember(batch: Int, members: Int) -> Int? {
        prepared?.rowsPerMember(batch: batch, members: members)
    }

    /// Adds the bias to the outputs of some tokens.
    func addBias(to rows: MutableMatrixView) {
        withBias { bias in
            if let bias { Kernels.best.addBias(rows.base, bias, rows.rows, rows.columns, rows.rowStride) }
        }
    }

    /// Lends the bias, nil where there is none.
    func withBias(_ body: (UnsafePointer<Float>?) -> Void) {
        guard let bias else { return body(nil) }
        bias.withUnsafeBufferPointer { body($0.baseAddress) }
    }

    /// Adds the bias of some outputs to those outputs of one token.
    func addBias(to row: UnsafeMutablePointer<Float>, columns: Range<Int>) {
        guard let bias else { return }
        bias.withUnsafeBufferPointer { bias in
            guard let base = bias.baseAddress else { return }
            Kernels.best.add(row, base + columns.lowerBound, columns.count)
        }
    }
}

/// The prepared forms of matrices, in order, made on all threads of `context`.
func preparedProducts(
    _ matrices: [any StructuredMatrix], _ options: PreparationOptions, context: ExecutionContext
) -> [any PreparedProduct] {
    let products = Mutex<[(any PreparedProduct)?]>(Array(repeating: nil, count: matrices.count))
    context.parallelFor(matrices.count) { index in
        let product = matrices[index].prepared(options)
        products.withLock { $0[index] = product }
    }
    return products.withLock { $0.compactMap { $0 } }
}
