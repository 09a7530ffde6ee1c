import Compression
import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// The parts of recovery, each on planted cases.
@Suite struct RecoveryPartTests {
    private static func random(_ rows: Int, _ columns: Int, _ stream: String) -> Matrix {
        var generator = SeededGenerator(seed: 7, stream: stream)
        return .random(rows: rows, columns: columns, using: &generator)
    }

    /// Inputs whose features are correlated and have means, and the same as a compressed model might have them.
    private static func inputs(tokens: Int = 3000, features: Int = 24) -> (dense: Matrix, compressed: Matrix) {
        let mixing = random(features, features, "mixing")
        var dense = random(tokens, features, "tokens").multiplied(by: mixing)
        for row in 0..<tokens { for column in 0..<features { dense[row, column] += Float(column % 5) } }
        let turn = Matrix(rows: features, columns: features) { ($0 == $1 ? 0.9 : 0) + ($0 == ($1 + 1) % features ? 0.1 : 0) }
        var compressed = dense.multiplied(by: turn)
        let noise = random(tokens, features, "noise")
        for index in compressed.elements.indices { compressed.elements[index] += 0.05 * noise.elements[index] + 0.2 }
        return (dense, compressed)
    }

    private static func moments(centred: Bool, meansOnly: Bool = false, missing: Matrix? = nil) -> PairedMoments {
        let (dense, compressed) = inputs()
        var moments = PairedMoments(features: dense.columns, outputs: missing?.columns)
        for rows in [0..<1000, 1000..<3000] {
            moments.add(
                dense: dense.block(rows: rows, columns: 0..<dense.columns),
                compressed: compressed.block(rows: rows, columns: 0..<dense.columns),
                missing: missing?.block(rows: rows, columns: 0..<(missing?.columns ?? 0)), meansOnly: meansOnly,
                context: ExecutionContext(threads: 3))
        }
        moments.finish(centred: centred)
        return moments
    }

    /// Mean squared distance of V x^ + bias from W x.
    private static func error(_ v: Matrix, _ bias: [Float], _ w: Matrix, missing: Matrix? = nil) -> Double {
        let (dense, compressed) = inputs()
        let wanted = dense.multiplied(by: w, transposeOther: true)
        let given = compressed.multiplied(by: v, transposeOther: true)
        var sum = 0.0
        for row in 0..<wanted.rows {
            for column in 0..<wanted.columns {
                let d = Double(wanted[row, column]) + Double(missing?[row, column] ?? 0)
                    - Double(given[row, column]) - Double(bias[column])
                sum += d * d
            }
        }
        return sum / Double(wanted.rows)
    }

    @Test func momentsAreThoseOfTheTokens() {
        let (dense, compressed) = Self.inputs()
        let moments = Self.moments(centred: false)
        let (x, y) = (dense.converted(to: Double.self), compressed.converted(to: Double.self))
        let cross = x.multiplied(by: y, transposeSelf: true)
        let own = y.multiplied(by: y, transposeSelf: true)
        for row in 0..<24 {
            for column in 0..<24 {
                #expect(abs(moments.cross[row, column] - cross[row, column] / 3000) < 1e-3)
                #expect(abs(moments.own[row, column] - own[row, column] / 3000) < 1e-3)
            }
        }
        let centred = Self.moments(centred: true)
        #expect(abs(centred.cross[2, 3] - (moments.cross[2, 3] - moments.denseMean[2] * moments.ownMean[3])) < 1e-6)
        let means = Self.moments(centred: true, meansOnly: true)
        #expect(means.ownMean == moments.ownMean && means.denseMean == moments.denseMean)
        #expect(means.own.elements.allSatisfy { $0 == 0 })
    }

    @Test func targetsComeCloserToTheDenseOutputs() throws {
        let w = Self.random(10, 24, "weight")
        let zero = [Float](repeating: 0, count: 10)
        let target = try OutputTarget(Self.moments(centred: false))
        #expect(target.weight(w, share: 0) == w)
        let (own, half, whole) = (
            Self.error(w, zero, w), Self.error(target.weight(w, share: 0.5), zero, w),
            Self.error(target.weight(w, share: 1), zero, w)
        )
        #expect(whole < half && half < own)
        #expect(whole < 0.1 * own)

        // With a bias the means are taken care of, and what is left is smaller still.
        let moments = Self.moments(centred: true)
        let v = try OutputTarget(moments).weight(w, share: 1)
        let bias = BiasCorrection.bias(zero, weight: w, replacement: v, moments: moments)
        #expect(Self.error(v, bias, w) < whole)
    }

    @Test func biasesTakeTheMeanErrorAway() throws {
        let w = Self.random(10, 24, "weight")
        let v = Self.random(10, 24, "other")
        let old = (0..<10).map { Float($0) }
        let moments = Self.moments(centred: true, meansOnly: true)
        let bias = BiasCorrection.bias(old, weight: w, replacement: v, moments: moments)
        let (dense, compressed) = Self.inputs()
        let wanted = dense.multiplied(by: w, transposeOther: true)
        let given = compressed.multiplied(by: v, transposeOther: true)
        for column in 0..<10 {
            var sum = 0.0
            for row in 0..<wanted.rows {
                sum += Double(wanted[row, column]) + Double(old[column]) - Double(given[row, column]) - Double(bias[column])
            }
            #expect(abs(sum / Double(wanted.rows)) < 1e-3)
        }
    }

    @Test func whatASumLacksIsMadeUpFor() throws {
        let w = Self.random(10, 24, "weight")
        let (dense, _) = Self.inputs()
        // Something that the inputs tell.
        var missing = dense.multiplied(by: Self.random(10, 24, "lack"), transposeOther: true)
        missing.scale(by: 0.1)
        let moments = Self.moments(centred: true, missing: missing)
        let v = try OutputTarget(moments).weight(w, share: 1)
        let bias = BiasCorrection.bias([Float](repeating: 0, count: 10), weight: w, replacement: v, moments: moments)
        let plain = Self.moments(centred: true)
        let u = try OutputTarget(plain).weight(w, share: 1)
        let plainBias = BiasCorrection.bias([Float](repeating: 0, count: 10), weight: w, replacement: u, moments: plain)
        #expect(Self.error(v, bias, w, missing: missing) < 0.2 * Self.error(u, plainBias, w, missing: missing))
    }

    @Test func normsFindAPlantedGainAndShift() {
        let (dense, _) = Self.inputs()
        let features = dense.columns
        let gains = (0..<features).map { 1 + 0.05 * Float($0 % 7) }
        let shifts = (0..<features).map { 0.1 * Float($0 % 3) }
        let own = Matrix(rows: dense.rows, columns: features) { (dense[$0, $1] - shifts[$1]) / gains[$1] }
        var sums = PairedFeatures(count: features)
        sums.add(dense: dense, own: own)
        let before = NormValues(gain: [Float](repeating: 2, count: features), shift: [Float](repeating: 1, count: features))
        let tuned = sums.tuned(before)
        for index in 0..<features {
            #expect(abs(tuned.gain[index] - 2 * gains[index]) < 2e-3)
            #expect(abs((tuned.shift?[index] ?? 0) - (gains[index] + shifts[index])) < 5e-3)
        }
        // Without a shift the squares alone decide, and what is right already stays.
        var same = PairedFeatures(count: features)
        same.add(dense: dense, own: dense)
        let kept = same.tuned(NormValues(gain: before.gain))
        #expect(zip(kept.gain, before.gain).allSatisfy { abs($0 - $1) < 1e-5 } && kept.shift == nil)
        // Dead features say nothing.
        var dead = PairedFeatures(count: 2)
        dead.add(dense: Matrix(rows: 3, columns: 2), own: Matrix(rows: 3, columns: 2))
        #expect(dead.tuned(NormValues(gain: [1, 2])).gain == [1, 2])
    }

    /// Families whose numbers are refitted.
    static let refitted = [
        "quantized", "quantized-asymmetric", "low-rank", "block-diagonal", "block-shuffle", "block-dense", "monarch", "blast",
        "nm-sparse", "csr", "group-sparse", "sparse-low-rank", "nm-low-rank", "quantized-low-rank", "armor", "quantized-factors",
        "kronecker", "tucker", "block-circulant", "toeplitz",
    ]

    @Test(arguments: refitted) func refitsLowerTheObjective(name: String) throws {
        let shape = MatrixShape(rows: 32, columns: 48)
        guard let source = CandidateSources.all.first(where: { $0.name == name }) else {
            Issue.record("no source \(name)")
            return
        }
        let site = MatrixSite(name: "m", shape: shape, role: .linear, input: "x")
        guard let candidate = source.candidates(for: site, quantity: .bytes, precision: .f16).last else {
            Issue.record("no candidate of \(name)")
            return
        }
        let start = try source.specimen(candidate, shape: shape, precision: .f16)
        var generator = SeededGenerator(seed: 3)
        let inputs = DoubleMatrix.random(rows: 200, columns: 48, using: &generator)
            .multiplied(by: DoubleMatrix.random(rows: 48, columns: 48, using: &generator))
        let gram = try Gram(inputs: inputs)
        // Something near what it is.
        let noise = Self.random(32, 48, "noise")
        let base = start.dense()
        let scale = 0.05 * Float((base.squaredNorm / Double(base.count)).squareRoot())
        let target = Matrix(rows: 32, columns: 48) { 1.3 * base[$0, $1] + scale * noise[$0, $1] }
        let found = try LeastSquaresRefit().refit(start, toward: target, gram: gram, name: "m")
        let objective = Objective.activations(gram)
        let before = try objective.error(of: base, for: target)
        let after = try objective.error(of: found?.dense() ?? base, for: target)
        #expect(after < 0.6 * before, "\(before) \(after)")
        #expect(found?.cost == start.cost && found?.attributes == start.attributes)
    }

    @Test func refitsFindPlantedValues() throws {
        let shape = MatrixShape(rows: 16, columns: 32)
        var generator = SeededGenerator(seed: 5)
        let gram = try Gram(inputs: DoubleMatrix.random(rows: 400, columns: 32, using: &generator))
        let start = CompressedSparseRows(Self.random(16, 32, "a")) { ($0 * 7 + $1 * 5) % 3 == 0 }
        let wanted = CompressedSparseRows(Self.random(16, 32, "b")) { ($0 * 7 + $1 * 5) % 3 == 0 }
        let found = try LeastSquaresRefit().refit(start, toward: wanted.dense(), gram: gram, name: "m")
        #expect(try Objective.activations(gram).error(of: found?.dense() ?? start.dense(), for: wanted.dense()) < 1e-6)

        let codes = (0..<shape.count).map { Int8($0 * 5 % 7 - 3) }
        func quantized(_ scale: (Int) -> Float) throws -> Quantized {
            try Quantized(codes: codes, scales: (0..<32).map(scale), shape: shape, bits: 4, groupSize: 16)
        }
        let (from, to) = (try quantized { _ in 0.5 }, try quantized { 0.25 + 0.125 * Float($0 % 5) })
        let scaled = try LeastSquaresRefit().refit(from, toward: to.dense(), gram: gram, name: "m")
        #expect((scaled as? Quantized)?.codes.withBytes { Array($0) } == from.codes.withBytes { Array($0) })
        #expect(try Objective.activations(gram).error(of: scaled?.dense() ?? from.dense(), for: to.dense()) < 1e-6)
        // Nothing to gain, nothing changed.
        #expect(try LeastSquaresRefit().refit(from, toward: from.dense(), gram: gram, name: "m") == nil)
        #expect(try LeastSquaresRefit().refit(Dense(from.dense()), toward: to.dense(), gram: gram, name: "m") == nil)
    }

    @Test func leftoverBytesGoWhereTheySaveMost() {
        let sites = [
            LeftoverCorrections.Site(name: "a", gains: [5, 4, 1], bytesPerComponent: 10),
            LeftoverCorrections.Site(name: "b", gains: [9, 1], bytesPerComponent: 30),
            LeftoverCorrections.Site(name: "c", gains: [0, 0], bytesPerComponent: 1),
        ]
        #expect(LeftoverCorrections.ranks(sites, room: 9).isEmpty)
        #expect(LeftoverCorrections.ranks(sites, room: 25) == ["a": 2])
        #expect(LeftoverCorrections.ranks(sites, room: 50) == ["a": 2, "b": 1])
        #expect(LeftoverCorrections.ranks(sites, room: 1000) == ["a": 3, "b": 2])
        for room in 0...120 {
            let ranks = LeftoverCorrections.ranks(sites, room: room)
            let spent = sites.reduce(0) { $0 + $1.bytesPerComponent * (ranks[$1.name] ?? 0) }
            #expect(spent <= room)
            #expect(LeftoverCorrections.ranks(sites, room: spent) == ranks)
        }
    }

    @Test func stepsHaveNames() throws {
        #expect(try RecoveryStep.named("auto") == RecoveryStep.allCases && RecoveryStep.named("none").isEmpty)
        #expect(try RecoveryStep.named("norms, bias,norms") == [.bias, .norms])
        for steps in [[], [.bias], [.sequential, .eora], RecoveryStep.allCases] {
            #expect(try RecoveryStep.named(RecoveryStep.text(steps)) == steps)
        }
        for text in ["", "magic", "bias,", "auto,bias"] {
            #expect(throws: CompressionError.self) { try RecoveryStep.named(text) }
        }
        #expect(
            "\(CompressionError.unknownRecovery(name: "magic", known: RecoveryStep.allCases.map(\.rawValue)))"
                == "unknown recovery 'magic', expected auto, none or some of sequential, bias, refit, norms, eora")
    }

    @Test func fewBytesAreFittedTwiceWithoutBeingAsked() throws {
        func steps(_ budgets: [Budget], _ own: [RecoveryStep]? = nil) -> String? {
            var recipe = Recipe(budgets: budgets)
            recipe.recovery = own
            return recipe.properties.first { $0.name == "recovery" }?.value
        }
        let few = Budget(quantity: .bytes, fraction: 0.199)
        #expect(steps([few]) == "sequential")
        #expect(steps([Budget(quantity: .bytes, fraction: 0.2)]) == "none")
        #expect(steps([Budget(quantity: .multiplyAdds, fraction: 0.1)]) == "none")
        #expect(steps([Budget(quantity: .latency, fraction: 0.9), few]) == "none")
        #expect(steps([few], []) == "none" && steps([few], [.norms]) == "norms")
    }
}
