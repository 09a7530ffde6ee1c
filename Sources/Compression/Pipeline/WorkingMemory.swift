import Foundation
import StructuredMatrices
import Tensors
import Transformers

/// How much memory a compression may take and what that leaves room for: everything it may want again, or only what the
/// work of the moment needs.
///
/// Where memory is scarce, weights, Gram matrices and fits stay in files and are read whenever they are used, blocks are
/// calibrated a few at a time, and fits begin as room for them becomes free. The results are the same bits.
public struct WorkingMemory: Sendable {
    /// Bytes.
    public let limit: Int
    public let isScarce: Bool
    /// Bytes at the peak, estimated.
    public let peak: Int
    /// Bytes with everything kept that may be wanted again.
    let whole: Int
    /// Bytes for the moments of the blocks that are calibrated together.
    let moments: Int
    /// Bytes for fits under way together, and for forward passes.
    let work: Int
    /// Bytes of one forward pass over the longest sequence that is measured on.
    let pass: Int
    let gate: MemoryGate

    /// The program itself, its tokenizer, and what its libraries and threads keep.
    static let program = 128 << 20
    static let perThread = 32 << 20
    /// Fits kept in memory where it is scarce.
    static let keptFits = 32 << 20

    /// Room for everything.
    static let ample = WorkingMemory()

    private init() {
        (limit, isScarce, peak, whole, moments, work, pass) = (.max, false, 0, 0, .max, .max, 0)
        gate = MemoryGate(limit: .max)
    }

    /// Reads "800M", "1.5G" or a number of bytes (K, M and G are powers of 1024).
    /// - Throws: `CompressionError.invalidMemory`.
    public static func bytes(_ text: String) throws -> Int {
        var number = text.filter { !$0.isWhitespace }.uppercased()
        if number.hasSuffix("B") { number.removeLast() }
        if number.hasSuffix("I") { number.removeLast() }
        let shifts: [Character: Int] = ["K": 10, "M": 20, "G": 30]
        var shift = 0
        if let last = number.last, let found = shifts[last] {
            shift = found
            number.removeLast()
        }
        guard let value = Double(number), value.isFinite, value > 0, value * Double(1 << shift) < 1e15 else {
            throw CompressionError.invalidMemory(text: text)
        }
        return Int(value * Double(1 << shift))
    }

    /// Half of the machine's memory.
    public static var defaultLimit: Int { Int(clamping: ProcessInfo.processInfo.physicalMemory / 2) }

    /// - Parameters:
    ///   - needs: of this model and recipe.
    ///   - limit: that must not be passed where it can be helped; nil takes `defaultLimit`.
    init(_ needs: MemoryNeeds, limit: Int? = nil, threads: Int) {
        let limit = limit ?? Self.defaultLimit
        let program = Self.program + threads * Self.perThread
        // Fits that run side by side at worst.
        let together = needs.fits.sorted(by: >).prefix(threads).reduce(0, +)
        pass = needs.layers + needs.scores
        whole =
            program + needs.weights + needs.keptMoments + needs.keptFits + needs.assessedFits + needs.keptFactorisations
            + OutputDistance.memoryLimit
            + max(together, threads * pass + needs.states, needs.layers + needs.held)
        self.limit = limit
        isScarce = whole > limit
        guard isScarce else {
            (peak, moments, work) = (whole, .max, .max)
            gate = MemoryGate(limit: .max)
            return
        }
        let fixed = program + Self.keptFits
        work = max(0, limit - fixed)
        let besides = SpilledStates.memoryLimit + max(needs.layers + needs.held, needs.largestMoment)
        moments = max(needs.largestMoments, work - besides)
        let calibrating = min(moments, needs.momentsOfBlocks.reduce(0, +)) + besides
        let fitting = max(needs.fits.max() ?? 0, min(work, together))
        // Fidelity compares two models' scores.
        let measuring =
            SpilledStates.memoryLimit + needs.states + max(pass + needs.scores, min(work, threads * pass))
        peak = fixed + max(calibrating, fitting, measuring, needs.sampling)
        gate = MemoryGate(limit: work)
    }

    /// Threads for passes over sequences that each take `pass` bytes.
    func context(_ context: ExecutionContext, passes: Int = 1) -> ExecutionContext {
        guard isScarce else { return context }
        return ExecutionContext(threads: min(context.threads, max(1, work / max(1, passes * pass))))
    }
}

/// What the parts of a compression take, in bytes.
struct MemoryNeeds {
    /// Of all weights in `Float`.
    var weights: Int
    /// Of all Gram matrices with their roots and what sweeps need, over both texts.
    var keptMoments: Int
    /// Of the moments of each block.
    var momentsOfBlocks: [Int]
    /// Of the largest moment, as it is written.
    var largestMoment: Int
    /// Of a model that is all fitted, in `Float`.
    var keptFits: Int
    /// Of fits that were made to be assessed and are kept for choices.
    var assessedFits: Int
    /// Of decompositions that are kept for other ranks.
    var keptFactorisations: Int
    /// Of the work of the largest fit of each selected matrix.
    var fits: [Int]
    /// Of the layers' activations for the most tokens that go through them together.
    var layers: Int
    /// Of the scores of the longest sequence that is measured on; 0 for encoders.
    var scores: Int
    /// Of what a block reads of the tokens that single changes are measured on, and what the next one does.
    var states: Int
    /// Of the inputs of one block that wait to be added to the moments.
    var held: Int
    /// Of the caches while calibration text is sampled; 0 where it is not.
    var sampling: Int

    var largestMoments: Int { momentsOfBlocks.max() ?? 0 }
}

extension MemoryNeeds {
    /// - Parameters:
    ///   - tokens: of the longest sequence.
    ///   - measured: tokens of the longest sequence that is measured on.
    ///   - samples: whether calibration text is sampled from the model.
    init(
        _ model: any TransformerModel, selected: [MatrixSite], recipe: Recipe, tokens: Int, measured: Int, samples: Bool
    ) throws {
        let sites = model.sites
        weights = 4 * sites.reduce(0) { $0 + $1.shape.count }
        let features =
            recipe.objective == .activations ? Calibration.features(of: selected.filter { $0.role == .linear }) : [:]
        let all = Calibration.bytes(features)
        keptMoments = 5 * all
        largestMoment = features.values.map { 8 * $0 * $0 }.max() ?? 0
        var blocks = [features]
        if let model = model as? any NetworkModel {
            blocks = (0..<model.blockCount).map { block in
                let inputs = Set(model.inputs(ofBlock: block))
                return features.filter { inputs.contains($0.key) }
            }
        }
        momentsOfBlocks = blocks.map(Calibration.bytes)
        keptFits = 8 * selected.reduce(0) { $0 + $1.shape.count }
        // Twenty or so sizes that no other beats, most of them codes of less than a byte a weight.
        assessedFits = min(KeptFits.usualLimit, 20 * selected.reduce(0) { $0 + $1.shape.count })
        keptFactorisations = min(
            KeptFactorisations.usualLimit, selected.reduce(0) { $0 + KeptFactorisations.bytes(of: $1.shape) })
        let sources = try recipe.sources(for: model)
        fits = selected.map { site in sources.map { $0.workingBytes(site.shape, isWeighted: site.input != nil) }.max() ?? 0 }
        // Short sequences go through the layers together, 512 tokens at a time. A layer's intermediate results are
        // less than four inputs of every distinct width.
        let batch = tokens == 0 ? 0 : max(512, tokens)
        let widths = Set(Calibration.features(of: sites.filter { $0.role == .linear }).values)
        layers = 4 * batch * (widths.reduce(0, +) * 7 / 2)
        let widest = blocks.map { $0.values.reduce(0, +) }.max() ?? 0
        held = max(MomentSums.limit, 4 * batch * widest) + 8 * MomentSums.rowsAtOnce * widest
        scores = model is any CausalModel ? 4 * measured * model.vocabularySize : 0
        states = 8 * max(OutputDistance.sampleTokens, measured) * ((model as? any NetworkModel)?.hiddenSize ?? 0)
        sampling = 0
        if samples, let model = model as? any NetworkModel, model is any CausalModel {
            sampling = 2 * 4 * 64 * min(256, model.maximumPositions) * model.blockCount * model.hiddenSize
        }
    }
}
