import ModelFiles
import StructuredMatrices
import Tensors

/// What was measured for one shape, batch, number of threads, temperature and precision.
package struct KernelCase: Sendable {
    /// A dense product that is not ours.
    package struct Baseline: Sendable {
        package let name: String
        package let time: InterleavedTiming.Spread
        /// How many times faster than our dense product.
        package let timesDense: Double
    }

    package struct Line: Sendable {
        package let name: String
        package let form: String
        /// Seconds of one product.
        package let time: InterleavedTiming.Spread
        package let rounds: Int
        /// Weights, scales and indices.
        package let byteCount: Int
        /// Of one input row.
        package let multiplyAdds: Int
        /// How many times faster than our dense product in this precision, round by round.
        package let timesDense: InterleavedTiming.Spread
        /// The same against the fastest of our dense product and the library's.
        package let timesBest: Double
        /// What the bytes (batch 1) or the multiply-adds (more) promise.
        package let ideal: Double
        /// By the sign test over the rounds.
        package let isSlower: Bool
        /// Largest error relative to the root mean square of the results.
        package let error: Double

        /// Bytes of weights a second.
        package var rate: Double { Double(byteCount) / time.median }
    }

    package let shape: MatrixShape
    package let batch: Int
    package let threads: Int
    package let temperature: Temperature
    package let precision: Precision
    /// Bytes a second of reading memory on the same threads.
    package let streamRates: [StreamRead.Pattern: Double]
    package let baselines: [Baseline]
    /// Our dense product first.
    package let lines: [Line]
}

extension KernelCase {
    /// For programs: seconds, bytes, bytes a second.
    package var document: JSONValue {
        var reads = JSONObject()
        for pattern in StreamRead.Pattern.allCases {
            reads[pattern.rawValue] = Self.number(streamRates[pattern])
        }
        return [
            "shape": [.integer(Int64(shape.rows)), .integer(Int64(shape.columns))],
            "batch": .integer(Int64(batch)), "threads": .integer(Int64(threads)),
            "temperature": .string(temperature.rawValue), "precision": .string(precision.rawValue),
            "stream_read_bytes_per_second": .object(reads),
            "library": .array(
                baselines.map {
                    [
                        "name": .string($0.name), "seconds": Self.document($0.time),
                        "times_dense": Self.number($0.timesDense),
                    ]
                }),
            "products": .array(lines.map { document($0) }),
        ]
    }

    private func document(_ line: Line) -> JSONValue {
        [
            "family": .string(line.name), "form": .string(line.form), "seconds": Self.document(line.time),
            "rounds": .integer(Int64(line.rounds)), "bytes": .integer(Int64(line.byteCount)),
            "multiply_adds": .integer(Int64(line.multiplyAdds)),
            "times_dense": Self.document(line.timesDense),
            "times_best_dense": Self.number(line.timesBest), "ideal": Self.number(line.ideal),
            "bytes_per_second": Self.number(line.rate),
            "share_of_stream_read": Self.number(streamRates[.one].map { line.rate / $0 }),
            "relative_error": Self.number(line.error), "slower_than_dense": .bool(line.isSlower),
        ]
    }

    private static func document(_ spread: InterleavedTiming.Spread) -> JSONValue {
        [
            "median": number(spread.median), "lower_quartile": number(spread.lower),
            "upper_quartile": number(spread.upper), "minimum": number(spread.least),
        ]
    }

    private static func number(_ value: Double?) -> JSONValue {
        value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null
    }
}
