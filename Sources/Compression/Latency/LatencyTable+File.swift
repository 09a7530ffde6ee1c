import Foundation
import ModelFiles
import StructuredMatrices
import Tensors

extension LatencyTable {
    static let formatVersion = 1

    /// The table as its file holds it, in an order of its own: equal tables give equal bytes.
    public var json: JSONValue {
        let products = self.products.sorted { ProductKey.precedes($0.key, $1.key) }
        let models = self.models.sorted { ($0.key.model, $0.key.batch) < ($1.key.model, $1.key.batch) }
        return [
            "tessera_latency_table": .integer(Int64(Self.formatVersion)),
            "machine": machine.json,
            "products": .array(products.map { $0.key.json(nanoseconds: $0.value) }),
            "models": .array(
                models.map { key, time in
                    [
                        "model": .string(key.model), "batch": .integer(Int64(key.batch)),
                        "nanoseconds": .number(time.nanoseconds),
                        "products_nanoseconds": .number(time.products),
                    ]
                }),
            "corrections": .array(
                corrections.sorted { $0.key < $1.key }.map { run, scale in
                    ["run": .string(run), "scale": .number(scale)]
                }),
        ]
    }

    /// Reads a table.
    /// - Throws: `CompressionError.latencyTableUnreadable` naming the entry and what was expected of it,
    ///   `ModelFileError`.
    public init(file: String) throws {
        let json = try JSONValue.read(file: file)
        let reader = TableReader(file: file)
        guard let version = json["tessera_latency_table"]?.intValue else {
            throw reader.refusal("'tessera_latency_table' is missing")
        }
        guard version == Self.formatVersion else {
            throw reader.refusal("expected format version \(Self.formatVersion), got \(version)")
        }
        guard let machine = json["machine"] else { throw reader.refusal("'machine' is missing") }
        self.init(machine: try reader.machine(machine))

        var products: [ProductKey: Double] = [:]
        for (index, entry) in try reader.array(json, "products").enumerated() {
            let place = "product \(index)"
            let key = try reader.product(entry, place)
            guard products.updateValue(try reader.time(entry, place), forKey: key) == nil else {
                throw reader.refusal("\(place) is there twice")
            }
        }
        record(products)
        for (index, entry) in try reader.array(json, "models").enumerated() {
            let place = "model \(index)"
            let key = ModelKey(
                model: try reader.text(entry, "model", place),
                batch: try reader.integer(entry, "batch", 1...TableReader.largestBatch, place))
            guard models[key] == nil else { throw reader.refusal("\(place) is there twice") }
            let whole = try reader.time(entry, place)
            let products = try reader.time(entry, place, key: "products_nanoseconds", atMost: whole)
            record(ModelTime(nanoseconds: whole, products: products), of: key)
        }
        for (index, entry) in try reader.array(json, "corrections").enumerated() {
            let place = "correction \(index)"
            let run = try reader.text(entry, "run", place)
            guard corrections[run] == nil else { throw reader.refusal("\(place) is there twice") }
            let scale = try reader.number(
                entry, "scale", in: Self.plausibleCorrections, "0.001 to 1000", place)
            record(correction: scale, of: run)
        }
    }

    /// Writes the table, making the folder above it where it is missing; complete or not at all.
    /// - Throws: `ModelFileError.notWritable`, `CocoaError`.
    public func write(to file: String) throws {
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try AtomicFile.write(json.serialized(pretty: true), to: file)
    }
}

extension ProductKey {
    fileprivate func json(nanoseconds: Double) -> JSONValue {
        var options = JSONObject()
        for (name, value) in candidate.options.sorted(by: { $0.key < $1.key }) {
            options[name] = .integer(Int64(value))
        }
        return [
            "family": .string(candidate.family),
            "options": .object(options),
            "shape": [.integer(Int64(shape.rows)), .integer(Int64(shape.columns))],
            "precision": .string(precision.rawValue),
            "batch": .integer(Int64(batch)),
            "model_bytes": .integer(Int64(modelBytes)),
            "activations": .string(activations.rawValue),
            "nanoseconds": .number(nanoseconds),
        ]
    }
}

/// Reads the parts of a table's file, none of which is trusted.
private struct TableReader {
    let file: String

    static let largestBatch = 1 << 24
    static let largestModel = 1 << 48
    static let largestSide = Int(Int32.max)

    func refusal(_ reason: String) -> CompressionError { .latencyTableUnreadable(file: file, reason: reason) }

    private func wrong(_ place: String, _ key: String, _ expected: String, _ got: JSONValue?)
        -> CompressionError
    {
        let found = got.map { value in
            value.doubleValue.map { value.intValue?.description ?? $0.description } ?? value.kindDescription
        }
        return refusal("\(place): '\(key)': expected \(expected), got \(found ?? "nothing")")
    }

    func array(_ json: JSONValue, _ key: String) throws -> [JSONValue] {
        guard let array = json[key]?.arrayValue else { throw refusal("'\(key)' is not an array") }
        return array
    }

    func text(_ json: JSONValue, _ key: String, _ place: String) throws -> String {
        guard let text = json[key]?.stringValue, !text.isEmpty, text.utf8.count <= 4096 else {
            throw wrong(place, key, "a string", json[key])
        }
        return text
    }

    func integer(_ json: JSONValue, _ key: String, _ range: ClosedRange<Int>, _ place: String) throws -> Int {
        guard let value = json[key]?.intValue, range.contains(value) else {
            throw wrong(place, key, "an integer from \(range.lowerBound) to \(range.upperBound)", json[key])
        }
        return value
    }

    func number(
        _ json: JSONValue, _ key: String, in range: ClosedRange<Double>, _ words: String, _ place: String
    ) throws -> Double {
        guard let value = json[key]?.doubleValue, range.contains(value) else {
            throw wrong(place, key, "a number from \(words)", json[key])
        }
        return value
    }

    func time(
        _ json: JSONValue, _ place: String, key: String = "nanoseconds",
        atMost most: Double = LatencyTable.longest
    ) throws -> Double {
        guard let value = json[key]?.doubleValue, LatencyTable.isPlausible(value), value <= most else {
            throw wrong(place, key, "a number above 0, at most \(most)", json[key])
        }
        return value
    }

    func machine(_ json: JSONValue) throws -> LatencyMachine {
        LatencyMachine(
            processor: try text(json, "processor", "machine"),
            instructionSet: try text(json, "instruction_set", "machine"),
            threads: try integer(json, "threads", 1...LatencyMachine.mostThreads, "machine"),
            kernels: try integer(json, "kernels", 0...Int(Int32.max), "machine"))
    }

    func product(_ json: JSONValue, _ place: String) throws -> ProductKey {
        let family = try text(json, "family", place)
        guard let options = json["options"]?.objectValue, options.count <= 16 else {
            throw wrong(place, "options", "an object", json["options"])
        }
        var integers: [String: Int] = [:]
        for (name, value) in options {
            guard let integer = value.intValue, (0...Self.largestSide).contains(integer) else {
                throw wrong(place, name, "an integer from 0 to \(Self.largestSide)", value)
            }
            integers[name] = integer
        }
        let shape = json["shape"]?.arrayValue ?? []
        guard shape.count == 2, let rows = shape[0].intValue, let columns = shape[1].intValue,
            (1...Self.largestSide).contains(rows), (1...Self.largestSide).contains(columns)
        else { throw wrong(place, "shape", "two integers from 1 to \(Self.largestSide)", json["shape"]) }
        guard let precision = Precision(rawValue: try text(json, "precision", place)) else {
            throw wrong(place, "precision", "f32, f16 or bf16", json["precision"])
        }
        guard let activations = ActivationRounding(rawValue: try text(json, "activations", place)) else {
            throw wrong(place, "activations", "none, bf16 or int8", json["activations"])
        }
        return ProductKey(
            candidate: Candidate(family: family, options: integers),
            shape: MatrixShape(rows: rows, columns: columns),
            precision: precision, batch: try integer(json, "batch", 1...Self.largestBatch, place),
            modelBytes: try integer(json, "model_bytes", 1...Self.largestModel, place),
            activations: activations)
    }
}
