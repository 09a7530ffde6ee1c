import Benchmarking
import Foundation
import StructuredMatrices
import Tensors
import Transformers

/// Makes a table hold what is asked of it about one model: reads it, measures what it lacks, and keeps what
/// was measured.
public struct LatencyPreparation: Sendable {
    public let model: any TransformerModel
    /// Of the model's configuration: equal for models of equal sizes.
    public let configuration: String
    public let families: [String]
    public let precision: Precision
    public let batch: Int
    /// The table's file; nil for this machine's cache.
    public let file: String?
    /// Measure again what the table holds already.
    public var isRenewing = false
    public let context: ExecutionContext
    public let progress: @Sendable (CompressionProgress) -> Void

    public init(
        model: any TransformerModel, configuration: String, families: [String], precision: Precision,
        batch: Int,
        file: String?, context: ExecutionContext, progress: @escaping @Sendable (CompressionProgress) -> Void
    ) {
        self.model = model
        self.configuration = configuration
        self.families = families
        self.precision = precision
        self.batch = batch
        self.file = file
        self.context = context
        self.progress = progress
    }

    /// A table that knows the model.
    public struct Prepared: Sendable {
        public let prediction: LatencyPrediction
        /// Whether the table is of the machine this runs on, so that models can be timed against it.
        public let isHere: Bool
        public let file: String
        /// What is looked up.
        public let keys: [ProductKey]
        /// Names the times looked up.
        public let fingerprint: String
    }

    /// - Throws: `CompressionError.latencyTableUnreadable`, `.latencyTableIncomplete` when the table of
    ///   another machine lacks the dense model, `ModelFileError` for the file, `TransformersError` when the
    ///   model cannot run.
    public func prepare() throws -> Prepared {
        let machine = LatencyMachine.current(threads: context.threads)
        let file = file ?? machine.cacheFile
        var table = LatencyTable(machine: machine)
        if FileManager.default.fileExists(atPath: file) { table = try LatencyTable(file: file) }
        let isHere = table.machine == machine
        let workload = LatencyWorkload(model: model, batch: batch)
        let modelKey = modelKey(workload)
        let sources = try sources
        if isHere {
            try measureModel(into: &table, workload, modelKey, file)
            try measureProducts(into: &table, sources, workload, file)
        }
        var lacking = ""
        guard
            let prediction = LatencyPrediction(
                table: table, model: model, workload: workload, precision: precision, modelBytes: modelBytes,
                modelKey: modelKey, missing: { lacking = $0 })
        else {
            throw CompressionError.latencyTableIncomplete(
                file: file, machine: table.machine.description, missing: lacking)
        }
        let keys = try wanted().products
        return Prepared(
            prediction: prediction, isHere: isHere, file: file, keys: keys,
            fingerprint: table.fingerprint(of: keys, model: modelKey))
    }

    /// What is looked up in a table: the whole model, and every candidate of every matrix that is multiplied,
    /// each once.
    /// - Throws: `CompressionError.unknownFamily`.
    public func wanted() throws -> (model: LatencyTable.ModelKey, products: [ProductKey]) {
        let workload = LatencyWorkload(model: model, batch: batch)
        let sources = try sources
        let keys = shapes.flatMap { site in
            denseKeys(site.shape, workload)
                + sources.flatMap { source in
                    candidates(source, site).map { candidate in
                        ProductKey(
                            candidate: candidate, shape: site.shape, precision: precision,
                            batch: workload.rows,
                            modelBytes: modelBytes)
                    }
                }
        }
        return (modelKey(workload), Array(Set(keys)).sorted(by: ProductKey.precedes))
    }

    private var sources: [any CandidateSource] {
        get throws {
            try CandidateSources.named(families, quantities: [.latency], inBatches: model is any EncoderModel)
                .filter { $0.serves(.latency) }
        }
    }

    /// Writes the table, with what others wrote into the file meanwhile.
    static func keep(_ table: LatencyTable, in file: String) throws {
        var table = table
        if let other = try? LatencyTable(file: file) { table.adopt(other) }
        try table.write(to: file)
    }

    // MARK: - The model

    private var sites: [MatrixSite] { model.sites.filter { $0.isMultiplied } }

    /// One site for each shape.
    private var shapes: [MatrixSite] {
        var seen: Set<MatrixShape> = []
        return sites.filter { seen.insert($0.shape).inserted }
    }

    /// Bytes of the dense model's products.
    private var modelBytes: Int {
        sites.reduce(0) { sum, site in
            sum + site.shape.count
                * model.storedPrecision(of: site, otherwise: precision).elementType.byteCount
        }
    }

    private func modelKey(_ workload: LatencyWorkload) -> LatencyTable.ModelKey {
        var fingerprint = Fingerprint()
        fingerprint.add(configuration)
        fingerprint.add("\(workload.unit), \(workload.rows) rows")
        for site in model.sites {
            let stored = model.storedPrecision(of: site, otherwise: precision)
            fingerprint.add("\(site.shape) \(site.role.rawValue) \(site.isMultiplied) \(stored.rawValue)")
        }
        return LatencyTable.ModelKey(model: fingerprint.text, batch: batch)
    }

    private func measureModel(
        into table: inout LatencyTable, _ workload: LatencyWorkload, _ key: LatencyTable.ModelKey,
        _ file: String
    ) throws {
        guard isRenewing || table.models[key] == nil else { return }
        let run = try workload.runner(model, context: context)
        let products = ModelProducts(model: model, sites: sites, rows: workload.rows, context: context)
        let timing = try InterleavedTiming(
            contestants: 2, rounds: InterleavedTiming.Rounds(least: 9, most: 31, seconds: 0.2),
            progress: { progress(CompressionProgress(stage: "timing the dense model", done: $0, total: $1)) }
        ) { try $0 == 0 ? run() : products.seconds() * workload.products }
        let whole = min(max(timing.fastest(0) * 1e9, 1), LatencyTable.longest)
        let share = min(1, timing.fastest(1) / timing.fastest(0))
        table.record(
            LatencyTable.ModelTime(nanoseconds: whole, products: max(share * whole, whole * 1e-6)), of: key)
        try Self.keep(table, in: file)
    }

    // MARK: - Products

    /// The dense forms of a shape: as it is in the model, and in the run's precision.
    private func denseKeys(_ shape: MatrixShape, _ workload: LatencyWorkload) -> [ProductKey] {
        let stored = sites.filter { $0.shape == shape }.map {
            model.storedPrecision(of: $0, otherwise: precision)
        }
        return Precision.allCases.filter { stored.contains($0) || $0 == precision }.map {
            ProductKey(
                candidate: Candidate(family: Dense.family.name), shape: shape, precision: $0,
                batch: workload.rows,
                modelBytes: modelBytes)
        }
    }

    private func candidates(_ source: any CandidateSource, _ site: MatrixSite) -> [Candidate] {
        source.candidates(for: site, quantity: .latency, precision: precision)
    }

    /// Of the sizes of one form, those that are timed: the ends and three between.
    private static func sampled(_ sizes: [Int]) -> Set<Int> {
        let sorted = Array(Set(sizes)).sorted()
        guard sorted.count > 5 else { return Set(sorted) }
        return Set((0...4).map { sorted[$0 * (sorted.count - 1) / 4] })
    }

    /// What the table lacks of one family at one shape.
    private func missing(
        _ source: any CandidateSource, _ site: MatrixSite, _ table: LatencyTable, _ workload: LatencyWorkload
    ) -> [ProductMeasurement.Specimen] {
        func key(_ candidate: Candidate) -> ProductKey {
            ProductKey(
                candidate: candidate, shape: site.shape, precision: precision, batch: workload.rows,
                modelBytes: modelBytes)
        }
        let forms = Dictionary(grouping: candidates(source, site)) { candidate in
            candidate.options.filter { $0.key != source.sizeOption }
        }
        var wanted: [Candidate] = []
        for form in forms.values where isRenewing || form.contains(where: { table.time(key($0)) == nil }) {
            guard let size = source.sizeOption else {
                wanted += form
                continue
            }
            let sizes = Self.sampled(form.map { $0[size] })
            wanted += form.filter { sizes.contains($0[size]) }
        }
        return wanted.map { candidate in
            ProductMeasurement.Specimen(key: key(candidate)) {
                try source.specimen(candidate, shape: site.shape, precision: precision)
            }
        }.sorted { ProductKey.precedes($0.key, $1.key) }
    }

    private func measureProducts(
        into table: inout LatencyTable, _ sources: [any CandidateSource], _ workload: LatencyWorkload,
        _ file: String
    ) throws {
        var work: [(dense: [ProductMeasurement.Specimen], others: [ProductMeasurement.Specimen])] = []
        for site in shapes {
            let dense = denseKeys(site.shape, workload).map { key in
                ProductMeasurement.Specimen(key: key) {
                    try DenseCandidates().specimen(key.candidate, shape: key.shape, precision: key.precision)
                }
            }
            let known = table
            let others = sources.filter { $0.family != Dense.family }.flatMap {
                missing($0, site, known, workload)
            }
            let lacking = dense.filter { isRenewing || table.time($0.key) == nil }
            if !others.isEmpty || !lacking.isEmpty { work.append((dense, lacking + others)) }
        }
        let total = work.reduce(0) { $0 + $1.others.count }
        guard total > 0 else { return }
        let measurement = ProductMeasurement(context: context)
        var done = 0
        for (dense, others) in work {
            // The other precision is compared with the one the model has, if the table lacks it.
            let reference = dense.first { $0.key.precision != precision } ?? dense[0]
            let known = isRenewing ? nil : table.time(reference.key)?.nanoseconds
            let times = try measurement.times(of: others, against: reference, known: known) {
                done += 1
                progress(CompressionProgress(stage: "timing products", done: min(done, total), total: total))
            }
            table.record(times)
            try Self.keep(table, in: file)
        }
    }
}
