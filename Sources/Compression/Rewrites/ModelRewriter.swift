import Foundation
import ModelFiles
import Rewriting
import Tensors
import Transformers

/// Applies a method to a model: measures, chooses which units stay, and narrows block after block.
struct ModelRewriter: Sendable {
    let method: RewriteMethod
    /// What stays of the parameters that the method touches, in (0, 1].
    let share: Double
    let calibration: [[Int]]
    /// Where outputs are measured; empty takes some of the calibrating sequences.
    var heldOut: [[Int]] = []
    /// Texts at once that a division by latency is for.
    var batch = 1
    var seed: UInt64 = 0
    /// Keeps what was measured and what was narrowed, for a run that goes on and for other shares of the same model; nil keeps
    /// nothing.
    var journal: Journal?
    let context: ExecutionContext
    let progress: @Sendable (CompressionProgress) -> Void

    /// What came of it.
    struct Outcome: Sendable {
        let model: any NetworkModel
        /// Parameters that the method may touch, before and after; of experts those that run for a token.
        let touched: (before: Int, after: Int)
        /// Of blocks whose feed-forward networks were cut into experts.
        var experts: [ExpertFit] = []
        /// Where sizes were shared out by time.
        var time: NarrowedTime?
    }

    /// A part of the model whose units the method chooses among.
    struct Place: Sendable {
        enum Kind: Sendable { case heads, neurons }
        let block: Int
        let kind: Kind
    }

    /// - Throws: `RewritingError`, `TransformersError`, `CompressionError`, `LinearAlgebraError`.
    func run(_ model: any NetworkModel) throws -> Outcome {
        if let experts = method.experts { return try cutIntoExperts(model, experts) }
        if method.dropsBlocks { return try dropBlocks(model) }
        if let slicing = method.slicing { return try slice(model, slicing) }
        if let block = model.blockSizes.firstIndex(where: { $0.keyRanks != nil || $0.valueWidths != nil }) {
            throw RewritingError.unequalHeads(part: model.coupling.blocks[block].name)
        }
        if let ranks = method.cacheRanks { return try narrowCache(model, ranks) }
        if method.narrowsValues { return try narrowWidths(model) }
        if method.division == .latency { return try narrowWithinTime(model, batch: batch) }
        let places = self.places(of: model)
        let moments = try measure(model, places, "measuring units")
        let groups = try self.groups(model, places, moments)
        let kept = try choose(groups, model, moments)
        let narrowed = try narrow(model, places, groups, kept, moments)
        let price = zip(groups, kept).reduce((before: 0.0, after: 0.0)) { sum, next in
            (sum.before + Double(next.0.units) * next.0.price, sum.after + Double(next.1.count) * next.0.price)
        }
        return Outcome(model: narrowed, touched: (Int(price.before), Int(price.after)))
    }

    func places(of model: any NetworkModel) -> [Place] {
        model.blockSizes.enumerated().flatMap { block, sizes in
            (method.heads != nil && sizes.heads > 0 ? [Place(block: block, kind: .heads)] : [])
                + (method.neurons != nil && sizes.feedForwardWidth > 0 ? [Place(block: block, kind: .neurons)] : [])
        }
    }

    func measure(_ model: any NetworkModel, _ places: [Place], _ stage: String) throws -> BlockMoments {
        try BlockWalk.moments(
            of: Set(places.map { inputName($0, model) }), in: model, sequences: calibration, context: context,
            journal: journal, progress: report(stage))
    }

    private func inputName(_ place: Place, _ model: any NetworkModel) -> String {
        model.inputName(place.block, place.kind == .heads ? .attentionOutput : .down)
    }

    func part(_ place: Place, of model: any NetworkModel, _ moments: BlockMoments) throws -> ReducedPart {
        let part =
            switch place.kind {
            case .heads: try model.attentionPart(place.block, moments)
            case .neurons: try model.feedForwardPart(place.block, moments)
            }
        guard let part else {
            throw RewritingError.keepsNothing(part: model.siteName(place.block, .down), kept: 0, of: 0)
        }
        return part
    }

    /// Every place's units with their scores.
    private func groups(
        _ model: any NetworkModel, _ places: [Place], _ moments: BlockMoments
    ) throws -> [UnitGroup] {
        let gradients = try gradientScores(model, places)
        let scores = try context.parallelMap(places.count, progress: report("weighing units")) { index in
            if let own = gradients[index] { return own }
            return try score(places[index], try part(places[index], of: model, moments))
        }
        return zip(places, scores).map { place, scores in
            UnitGroup(
                block: place.block, kind: place.kind == .heads ? .head : .neuron, scores: scores,
                price: place.kind == .heads ? model.headPrice(place.block) : model.neuronPrice(place.block),
                multiple: place.kind == .heads || scores.count < 64 ? 1 : Self.neuronMultiple)
        }
    }

    /// Widths stay multiples of what kernels take at a time.
    static let neuronMultiple = 8

    private func score(_ place: Place, _ part: ReducedPart) throws -> [Double] {
        switch place.kind == .heads ? method.heads : method.neurons {
        case .score(let score): try score.scores(of: part)
        case .gradient, nil: Array(repeating: 0, count: part.units)
        }
    }

    private func choose(_ groups: [UnitGroup], _ model: any NetworkModel, _ moments: BlockMoments) throws -> [[Int]] {
        let allocation: any UnitAllocation =
            switch method.division {
            case .uniform, .measured, .latency: UniformAllocation()
            case .blocks(let rule):
                BlockwiseAllocation(rule, importance: importance(rule, moments))
            case .pooled(let scale): PooledAllocation(scale)
            case .split(let gamma): SplitAllocation(gamma: gamma)
            }
        return try allocation.kept(share, of: groups)
    }

    func importance(_ rule: SharesByBlock, _ moments: BlockMoments) -> [Double] {
        switch rule {
        case .softmax: moments.influences
        case .sigmoid: moments.angles
        }
    }

    private func narrow(
        _ model: any NetworkModel, _ places: [Place], _ groups: [UnitGroup], _ kept: [[Int]], _ moments: BlockMoments
    ) throws -> any NetworkModel {
        var result = model
        var sequential = try SequentialMoments(
            moments, following: method.isSequential ? model : nil, sequences: calibration, context: context)
        let report = self.report("narrowing")
        for (index, place) in places.enumerated() where kept[index].count < groups[index].units {
            report(index, places.count)
            let wanted = kept[index].count
            let narrowed = try journal.kept("narrowed part \(index) at \(share)") { (found: NarrowedUnits) in
                found.units.count == wanted && found.units.allSatisfy { $0 < groups[index].units }
            } make: {
                // Behind blocks that changed, the inputs have changed.
                let seen = try sequential.moments(of: inputName(place, result), block: place.block, in: result)
                let part = try part(place, of: result, seen)
                var units = kept[index]
                let weighing = place.kind == .heads ? method.heads : method.neurons
                if method.isSequential, case .score = weighing {
                    units = UnitGroup(block: place.block, scores: try score(place, part), price: 1).best(wanted)
                }
                return NarrowedUnits(
                    units: units,
                    reduced: try method.compensation.apply(to: part, keeping: units, relativeRidge: ridge))
            }
            result.narrow(place, keeping: narrowed.units, narrowed.reduced)
        }
        report(places.count, places.count)
        return result
    }

    /// Of compensation, where it is not measured.
    var ridge: Double { method.ridge ?? Compensation.defaultRidge }

    func report(_ stage: String) -> @Sendable (Int, Int) -> Void {
        let progress = progress
        return { progress(CompressionProgress(stage: stage, done: $0, total: $1)) }
    }
}
