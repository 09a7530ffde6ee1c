import Communication
import Foundation
import LinearAlgebra
import Synchronization
import Tensors
import Transformers

/// The work of a calibration on one rank: its share of the sequences through one group of blocks after the other, and the
/// sums of the group in work.
struct BlockwiseCollection {
    private let model: any TransformerModel
    private let sequences: [[Int]]
    private let passes: [Range<Int>]
    private let context: ExecutionContext
    private let features: [String: Int]
    /// Nil for a model that only runs as a whole.
    private let blocks: (model: any BlockwiseModel, groups: [Range<Int>])?
    /// The batches of all passes and the hidden states before the group's blocks; without groups none.
    private let batches: [(sequences: Range<Int>, pass: Int)]
    private let states: SpilledStates?
    /// Of the group in work, in the order of the sums.
    private(set) var names: [String] = []
    private var sums: [Sum] = []

    var groupCount: Int { blocks?.groups.count ?? 1 }

    init(
        _ model: any TransformerModel, features: [String: Int], sequences: [[Int]], passes: [Range<Int>], memory: Int,
        folder: URL, context: ExecutionContext
    ) throws {
        self.model = model
        self.features = features
        self.sequences = sequences
        self.passes = passes
        self.context = context
        let groups = (model as? any BlockwiseModel).map { ($0, Self.groups(of: $0, features, memory: memory)) }
        guard let groups, groups.1.count > 1 else {
            (blocks, batches, states) = (nil, [], nil)
            return
        }
        blocks = groups
        var batches: [(sequences: Range<Int>, pass: Int)] = []
        for (index, pass) in passes.enumerated() {
            for batch in groups.0.batches(Array(sequences[pass])) {
                batches.append((pass.lowerBound + batch.lowerBound..<pass.lowerBound + batch.upperBound, index))
            }
        }
        self.batches = batches
        states = try SpilledStates(
            rows: batches.map { batch in sequences[batch.sequences].reduce(0) { $0 + $1.count } },
            columns: groups.0.hiddenSize, folder: folder)
    }

    /// Consecutive blocks whose moments fit in memory together.
    static func groups(of model: any BlockwiseModel, _ features: [String: Int], memory: Int) -> [Range<Int>] {
        var groups: [Range<Int>] = []
        var bytes = 0
        for block in 0..<model.blockCount {
            let own = Calibration.bytes(features.filter { Set(model.inputs(ofBlock: block)).contains($0.key) })
            if let last = groups.last, bytes + own <= memory {
                groups[groups.count - 1] = last.lowerBound..<block + 1
                bytes += own
            } else {
                groups.append(block..<block + 1)
                bytes = own
            }
        }
        return groups
    }

    /// Adds this rank's share of the sequences to the sums of a group.
    func run(_ group: Int, progress: (_ sequencesSeen: Int) throws -> Void) throws {
        let index = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        let held = HeldInputs(count: names.count)
        func hold(_ name: String, _ activations: MatrixView) {
            if let slot = index[name] { held.append(Matrix(copying: activations), to: slot) }
        }
        guard let blocks, let states else {
            for pass in passes {
                try model.observe(Array(sequences[pass]), context: context, observer: hold)
                held.add(to: sums, context)
                try progress(pass.upperBound)
            }
            return
        }
        for (position, batch) in batches.enumerated() {
            var hidden = try states.states(of: position)
            for block in blocks.groups[group] {
                hidden = try blocks.model.observe(
                    Array(sequences[batch.sequences]), block: block, hidden: hidden, context: context, observer: hold)
            }
            if let hidden { try states.set(hidden, of: position) }
            let endsPass = position == batches.count - 1 || batches[position + 1].pass != batch.pass
            if endsPass || held.byteCount >= HeldInputs.limit { held.add(to: sums, context) }
            try progress(batch.sequences.upperBound)
        }
    }

    /// Sums of zero for a group.
    mutating func begin(_ group: Int) {
        var inputs = Set(features.keys)
        if let blocks { inputs.formIntersection(blocks.groups[group].flatMap { blocks.model.inputs(ofBlock: $0) }) }
        names = inputs.sorted()
        sums = names.map { Sum(DoubleMatrix(rows: features[$0] ?? 0, columns: features[$0] ?? 0)) }
    }

    /// A sum that is complete; it is not held any more.
    func takeSum(_ name: String) -> DoubleMatrix {
        guard let slot = names.firstIndex(of: name) else { return DoubleMatrix(rows: 0, columns: 0) }
        return sums[slot].take()
    }
}

extension BlockwiseCollection {
    func receiveSums(from rank: Int, _ communicator: any Communicator) throws {
        for sum in sums { try sum.withBytes { try communicator.receive(into: $0, from: rank) } }
    }

    func sendSums(to rank: Int, _ communicator: any Communicator) throws {
        for sum in sums { try sum.withBytes { try communicator.send(UnsafeRawBufferPointer($0), to: rank) } }
    }
}

/// A sum of products that threads add to, one at a time.
private final class Sum: Sendable {
    private let value: Mutex<DoubleMatrix>

    init(_ matrix: DoubleMatrix) { value = Mutex(matrix) }

    func add(_ inputs: [Matrix]) {
        value.withLock { sum in
            for input in inputs {
                for first in stride(from: 0, to: input.rows, by: HeldInputs.rowsAtOnce) {
                    let rows = first..<min(input.rows, first + HeldInputs.rowsAtOnce)
                    sum.addGramian(of: input.block(rows: rows, columns: 0..<input.columns).converted(to: Double.self))
                }
            }
        }
    }

    func take() -> DoubleMatrix {
        value.withLock { sum in
            defer { sum = DoubleMatrix(rows: 0, columns: 0) }
            return sum
        }
    }

    func withBytes(_ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        try value.withLock { sum in try sum.elements.withUnsafeMutableBytes { try body($0) } }
    }
}

/// Inputs that were seen and are not in the sums yet, in the order in which they were seen.
final class HeldInputs {
    /// Bytes held at most within a pass, but for one batch.
    static let limit = 32 << 20
    /// Rows that are in `Double` at once; batches are no longer, but for single long sequences.
    static let rowsAtOnce = 512

    private(set) var byteCount = 0
    private var inputs: [[Matrix]]

    init(count: Int) { inputs = Array(repeating: [], count: count) }

    func append(_ input: Matrix, to slot: Int) {
        inputs[slot].append(input)
        byteCount += 4 * input.count
    }

    fileprivate func add(to sums: [Sum], _ context: ExecutionContext) {
        let inputs = inputs
        context.parallelFor(inputs.count) { sums[$0].add(inputs[$0]) }
        self.inputs = Array(repeating: [], count: inputs.count)
        byteCount = 0
    }
}
