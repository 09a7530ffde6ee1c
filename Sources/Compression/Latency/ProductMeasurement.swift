import Benchmarking
import StructuredMatrices
import Tensors

/// Times products of one shape on this machine, each in turns with a dense one: what is kept is how the fastest of its
/// rounds compares with the fastest of the dense product's. Other processes only ever make a round slower, and a team of
/// threads that waits for one that was interrupted much slower, so that the fastest round is what the machine can do.
struct ProductMeasurement {
    /// A form to be timed.
    struct Specimen {
        let key: ProductKey
        let make: () throws -> any StructuredMatrix
    }

    let context: ExecutionContext
    /// How models lay out their matrices.
    private let options = PreparationOptions(activations: LatencyWorkload.activations)
    /// Seconds that one timing lasts at least, by repetition.
    private static let shortest = 0.000_5
    /// Short products have the most; of long ones few rounds are enough.
    private static let rounds = InterleavedTiming.Rounds(least: 7, most: 21, seconds: 0.02)

    init(context: ExecutionContext) { self.context = context }

    /// Nanoseconds of every specimen.
    /// - Parameters:
    ///   - dense: what the others are compared with; of the same shape and batch.
    ///   - known: the dense product's nanoseconds where they are known.
    /// - Throws: what making a specimen throws.
    func times(
        of specimens: [Specimen], against dense: Specimen, known: Double?, progress: () -> Void
    ) throws -> [ProductKey: Double] {
        let layout = try dense.make().prepared(options)
        let reference = try Contestant(dense, denseBytes: layout.byteCount, options, context)
        var times: [ProductKey: Double] = [:]
        var nanoseconds = known ?? 0
        if known == nil {
            let timing = InterleavedTiming(contestants: 1, rounds: Self.rounds) { _ in
                reference.seconds()
            }
            nanoseconds = Self.plausible(timing.fastest(0) * 1e9)
            times[dense.key] = nanoseconds
            progress()
        }
        for specimen in specimens where specimen.key != dense.key {
            let contestants = [
                reference, try Contestant(specimen, denseBytes: layout.byteCount, options, context),
            ]
            let timing = InterleavedTiming(contestants: 2, rounds: Self.rounds) {
                contestants[$0].seconds()
            }
            times[specimen.key] = Self.plausible(nanoseconds * timing.fastest(1) / timing.fastest(0))
            progress()
        }
        return times
    }

    /// A clock that stood still or a machine that slept must not make a table that cannot be read.
    private static func plausible(_ nanoseconds: Double) -> Double {
        nanoseconds.isFinite ? min(max(nanoseconds, 1), LatencyTable.longest) : LatencyTable.longest
    }

    private final class Contestant {
        private let product: TimedProduct
        private let repetitions: Int
        private let context: ExecutionContext

        /// As many copies take turns as the model would have bytes, were it all in this form; no more than it
        /// takes for none of them to be found in a cache.
        init(
            _ specimen: Specimen, denseBytes: Int, _ options: PreparationOptions, _ context: ExecutionContext
        ) throws {
            let matrix = try specimen.make()
            let first = matrix.prepared(options)
            let model = Double(specimen.key.modelBytes) * Double(first.byteCount) / Double(max(1, denseBytes))
            let bytes = min(model, 2 * Double(LastLevelCache.byteCount))
            let count = max(1, Int((bytes / Double(max(1, first.byteCount))).rounded(.up)))
            let copies = try (1..<count).map { _ in try matrix.copied().prepared(options) }
            var generator = SeededGenerator(seed: 0, stream: "latency input")
            let input = generator.matrix(rows: specimen.key.batch, columns: specimen.key.shape.columns)
            product = TimedProduct([first] + copies, input: input)
            repetitions = product.repetitions(forSeconds: ProductMeasurement.shortest, context: context)
            self.context = context
        }

        func seconds() -> Double { product.seconds(repetitions: repetitions, context: context) }
    }
}

extension StructuredMatrix {
    /// The same matrix in memory of its own, which a layout that keeps the family's memory would share
    /// otherwise.
    fileprivate func copied() throws -> any StructuredMatrix {
        let tensors = try self.tensors.map { name, tensor in
            let bytes = tensor.withBytes { [UInt8]($0) }
            return (
                name: name,
                tensor: try Tensor(elementType: tensor.elementType, shape: tensor.shape, bytes: bytes)
            )
        }
        return try Self(shape: shape, tensors: TensorLookup(tensors), attributes: attributes)
    }
}

extension InterleavedTiming {
    /// Seconds of a contestant's fastest round.
    func fastest(_ contestant: Int) -> Double { seconds[contestant].min() ?? .nan }
}
