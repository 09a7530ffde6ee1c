import Benchmarking
import StructuredMatrices
import Tensors
import Transformers

/// All products of a model, one after the other and nothing else, ready to be timed.
final class ModelProducts {
    /// Matrices of one shape share inputs and outputs.
    private let products: [TimedProduct]
    private let context: ExecutionContext

    /// Memory: the matrices laid out for products, once more.
    init(model: any TransformerModel, sites: [MatrixSite], rows: Int, context: ExecutionContext) {
        let options = PreparationOptions(activations: LatencyWorkload.activations)
        var generator = SeededGenerator(seed: 0, stream: "latency input")
        var shapes: [MatrixShape] = []
        for site in sites where !shapes.contains(site.shape) { shapes.append(site.shape) }
        products = shapes.map { shape in
            let matrices = sites.filter { $0.shape == shape }.map { model[site: $0.name].prepared(options) }
            return TimedProduct(matrices, input: generator.matrix(rows: rows, columns: shape.columns))
        }
        self.context = context
    }

    /// Seconds of every product once.
    func seconds() -> Double {
        products.reduce(0) { sum, product in
            let count = product.copies.count
            return sum + Double(count) * product.seconds(repetitions: count, context: context)
        }
    }
}
