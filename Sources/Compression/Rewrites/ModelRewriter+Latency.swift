import Foundation
import ModelFiles
import Rewriting
import Tensors
import Transformers

/// ZipLM (arXiv 2302.04089): every part's whole order of removals, the time of the model at every width measured on this
/// machine, and sizes of least loss within the time allowed; what parts weigh against each other is searched for (SPDY) by the
/// output of stitched models.
extension ModelRewriter {
    /// One part's sizes.
    private struct Ladder: Sendable {
        let place: Place
        let part: ReducedPart
        let removal: StructuredRemoval
        /// Units kept, descending from all.
        let counts: [Int]
        /// Nanoseconds that each count costs above the smallest.
        var prices: [Double]

        var damages: [Double] {
            counts.map { count in
                let error = removal.relativeError(keeping: count)
                return error.isFinite ? error : 1
            }
        }
    }

    func narrowWithinTime(_ model: any NetworkModel, batch: Int) throws -> Outcome {
        let places = places(of: model)
        let moments = try measure(model, places, "measuring units")
        let workload = LatencyWorkload(model: model, batch: batch)
        var ladders = try context.parallelMap(places.count, progress: report("finding the order of removal")) { index in
            let part = try part(places[index], of: model, moments)
            let counts = Self.counts(part.units, heads: places[index].kind == .heads)
            return Ladder(
                place: places[index], part: part, removal: try StructuredRemoval(part), counts: counts,
                prices: counts.map { _ in 0 })
        }
        try measurePrices(&ladders, of: model, workload)
        let whole = ladders.reduce(0) { $0 + ($1.prices.first ?? 0) }
        let dense = Self.dense
        var limit = share * dense - (dense - whole)
        guard limit >= 0 else { throw RewritingError.unreachable(target: target, least: Self.text((dense - whole) / dense)) }
        let distance = try OutputDistance(original: model, sequences: Array(calibration.prefix(256)), context: context)
        func timed(_ trial: any NetworkModel) throws -> LatencyMeasurement {
            try .measure(trial, against: model, workload, context: context, progress: report("timing"))
        }
        var best: (model: any NetworkModel, predicted: Double, missed: Double)?
        // The sum of parts is not the whole: what came out is timed, and the limit moved by what it missed.
        for _ in 0..<Self.rounds where limit >= 0 {
            let (kept, price) = try search(ladders, limit: limit, model, distance)
            let trial = try stitched(kept, ladders, model)
            let missed = try journal.kept("time of units \(kept)") { try timed(trial).ratio } - share
            if abs(missed) < abs(best?.missed ?? .infinity) { best = (trial, share + (price - limit) / dense, missed) }
            if missed <= 0.02 * share, missed > -0.05 * share { break }
            limit -= missed * dense
        }
        guard let best else { throw CompressionError.notFinite(matrix: "the narrowed model", what: "every time") }
        // The time that it was chosen for flatters it.
        let time = NarrowedTime(unit: workload.unit, predicted: best.predicted, measured: try timed(best.model))
        return Outcome(model: best.model, touched: (model.blockParameters, best.model.blockParameters), time: time)
    }

    /// Heads one by one; neurons in steps of a tenth, in multiples that kernels like.
    private static func counts(_ units: Int, heads: Bool) -> [Int] {
        guard !heads else { return Array((1...units).reversed()) }
        var counts = [units]
        var width = Double(units)
        while width > Double(units) / 16 {
            width *= 0.9
            let count = units < 64 ? Int(width) : Int((width / Double(neuronMultiple)).rounded()) * neuronMultiple
            if count >= 1, count < counts[counts.count - 1] { counts.append(count) }
        }
        return counts
    }

    /// Times the model with all parts of a kind at one width, against the dense one, in turns; between the widths that are
    /// timed prices are interpolated. What the kinds save together is less than each by itself adds up to: that is timed
    /// too, with all parts at their least, and the prices are made to add up to it.
    private func measurePrices(
        _ ladders: inout [Ladder], of model: any NetworkModel, _ workload: LatencyWorkload
    ) throws {
        let dense = Self.dense
        func time(_ name: String, _ widths: [(ladder: Int, count: Int)]) throws -> Double {
            try journal.kept("time of \(name) of each block") {
                var narrow = model
                for (index, count) in widths {
                    let units = Array(0..<count)
                    let plain = try Compensation.none.apply(to: ladders[index].part, keeping: units)
                    narrow.narrow(ladders[index].place, keeping: units, plain)
                }
                return try LatencyMeasurement.measure(
                    narrow, against: model, workload, context: context, progress: { _, _ in }).ratio
            }
        }
        for kind in [Place.Kind.heads, .neurons] {
            let own = ladders.indices.filter { ladders[$0].place.kind == kind }
            guard let first = own.first else { continue }
            let counts = ladders[first].counts
            guard own.allSatisfy({ ladders[$0].counts == counts }) else {
                throw RewritingError.shapeMismatch(
                    part: ladders[first].part.name, what: "units", expected: "the same in every block", got: "others")
            }
            let timed = Set([0, counts.count / 4, counts.count / 2, 3 * counts.count / 4, counts.count - 1])
            var savings: [(count: Double, saved: Double)] = []
            for (done, position) in timed.sorted().enumerated() {
                let measured = position == 0 ? 1 : try time("\(counts[position]) \(kind)", own.map { ($0, counts[position]) })
                report("timing widths")(done + 1, timed.count)
                // Fewer units never take longer: what says so is the noise of the clock, and prices must not fall below 0.
                let saved = max(savings.last?.saved ?? 0, (1 - measured) * dense / Double(own.count))
                savings.append((Double(counts[position]), saved))
            }
            let most = savings.last?.saved ?? 0
            for index in own {
                ladders[index].prices = counts.map { most - Self.interpolated(Double($0), savings) }
            }
        }
        let least = try time("the fewest units", ladders.indices.map { ($0, ladders[$0].counts.last ?? 1) })
        let sum = ladders.reduce(0) { $0 + ($1.prices.first ?? 0) }
        guard sum > 0 else { return }
        let scale = max(0, 1 - least) * dense / sum
        for index in ladders.indices { ladders[index].prices = ladders[index].prices.map { $0 * scale } }
    }

    /// What the dense model's time counts for in the allocator's whole numbers: only shares of it matter.
    private static let dense = 1e9

    /// Piecewise linear between what was measured, counts descending.
    private static func interpolated(_ count: Double, _ points: [(count: Double, saved: Double)]) -> Double {
        for (left, right) in zip(points, points.dropFirst()) where count <= left.count && count >= right.count {
            let share = left.count > right.count ? (left.count - count) / (left.count - right.count) : 0
            return left.saved + share * (right.saved - left.saved)
        }
        return points.last?.saved ?? 0
    }

    /// Counts of each part: knapsacks under coefficients, from equal ones, then with one in ten drawn anew at a time, kept
    /// where the stitched model is closer to the original.
    private func search(
        _ ladders: [Ladder], limit: Double, _ model: any NetworkModel, _ distance: OutputDistance
    ) throws -> (kept: [Int], price: Double) {
        var generator = SeededGenerator(seed: seed, stream: "coefficients of parts")
        var coefficients = ladders.map { _ in 1.0 }
        var best: (kept: [Int], price: Double, distance: Double)?
        var seen: Set<[Int]> = []
        for trial in 0..<Self.trials {
            report("searching coefficients")(trial, Self.trials)
            var candidate = coefficients
            if trial > 0 {
                for _ in 0..<max(1, ladders.count / 10) {
                    candidate[generator.nextInteger(below: ladders.count)] = generator.nextUniform()
                }
            }
            let table = zip(ladders, candidate).map { ladder, coefficient in
                zip(ladder.damages, ladder.prices).map { damage, price in
                    AllocationChoice(cost: Int(price.rounded(.up)), damage: coefficient * damage)
                }
            }
            let choices = try Allocator().solve(table, budget: Int(limit), quantity: "nanoseconds").choices
            let kept = zip(ladders, choices).map { $0.counts[$1] }
            guard seen.insert(kept).inserted else { continue }
            let measured = try journal.kept("distance of units \(kept)") {
                try distance(stitched(kept, ladders, model), context: context)
            }
            if measured < best?.distance ?? .infinity {
                best = (kept, zip(ladders, choices).reduce(0) { $0 + $1.0.prices[$1.1] }, measured)
                coefficients = candidate
            }
        }
        guard let best else { throw CompressionError.notFinite(matrix: "the narrowed model", what: "every trial's output") }
        return (best.kept, best.price)
    }

    private static let trials = 24
    private static let rounds = 4
    private var target: String { "\(Self.text(share)) of the time" }
    private static func text(_ share: Double) -> String { "\((1000 * share).rounded() / 10) %" }

    private func stitched(
        _ kept: [Int], _ ladders: [Ladder], _ model: any NetworkModel
    ) throws -> any NetworkModel {
        let reduced = try context.parallelMap(ladders.count) { index in
            let units = ladders[index].removal.kept(kept[index])
            let part = ladders[index].part
            return (units, try method.compensation.apply(to: part, keeping: units, relativeRidge: ridge))
        }
        var result = model
        for (ladder, (units, one)) in zip(ladders, reduced) where units.count < ladder.part.units {
            result.narrow(ladder.place, keeping: units, one)
        }
        return result
    }
}

/// The time of a model that was narrowed to keep within some, as shares of the dense model's.
public struct NarrowedTime: Sendable, Equatable {
    /// What was timed: "token".
    public let unit: String
    /// By the times of the widths, with what earlier rounds had missed.
    public let predicted: Double
    public let measured: LatencyMeasurement

    package var text: String {
        "a \(unit) takes \(FigureText.percent(measured.ratio)) of the dense model's time, measured in turns (quartiles "
            + "\(FigureText.percent(measured.ratioLower)) to \(FigureText.percent(measured.ratioUpper))); predicted were "
            + FigureText.percent(predicted)
    }

    package var json: JSONValue {
        [
            "unit": .string(unit), "predicted": .number(predicted), "measured": .number(measured.ratio),
            "quartiles": [.number(measured.ratioLower), .number(measured.ratioUpper)],
        ]
    }
}

extension NetworkModel {
    /// Keeps some units of a part.
    mutating func narrow(_ place: ModelRewriter.Place, keeping units: [Int], _ reduced: Compensation.Result) {
        switch place.kind {
        case .heads: narrowAttention(place.block, keeping: units, reduced)
        case .neurons: narrowFeedForward(place.block, keeping: units, reduced)
        }
    }
}
