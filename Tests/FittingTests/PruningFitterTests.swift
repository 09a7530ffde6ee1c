import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

/// Masks with updates of what they keep: SparseGPT, exact refit, iCBS; the same for every sparse family.
@Suite struct PruningFitterTests {
    typealias SparseGPT = NMSparseFitter<SparseGPTPruning>
    typealias Refitted = NMSparseFitter<RefittedPruning<SparseGPTPruning>>
    static let whole = SizeBudget.fraction(1)
    static let forms = [(1, 4), (2, 4), (3, 4), (4, 8), (8, 16), (3, 16), (12, 16)]

    // MARK: Planted and unpruned

    @Test(arguments: Fitters.methods.map(\.name).filter { $0.hasPrefix("nm-") || $0.hasPrefix("csr-") })
    func plantedMatricesComeBackExactly(name: String) throws {
        var generator = SeededGenerator(seed: 3)
        let places = (0..<300 * 12).flatMap { _ in (0..<UInt8(4)).shuffled(using: &generator).prefix(2).sorted() }
        let planted = try NMSparse(
            values: places.map { _ in Float(generator.nextNormal()) }, places: places,
            shape: MatrixShape(rows: 300, columns: 48), kept: 2, group: 4)
        let fitter = try #require(Fitters.fitter(named: name))
        for objective in try Instances.objectives(48) {
            let fit = try fitter.fitAny(
                planted.dense(), objective: objective, size: .multiplyAdds(300 * 24), context: FitContext())
            #expect(fit.relativeError < 1e-10)
        }
    }

    @Test func nothingPrunedLeavesTheWeight() throws {
        let weight = Instances.random(300, 160)
        let objective = Objective.activations(try Instances.correlatedGram(160))
        #expect(try SparseGPT(kept: 8, group: 8).fit(weight, objective: objective, size: Self.whole).matrix.dense() == weight)
        #expect(try Refitted(kept: 4, group: 4).fit(weight, objective: objective, size: Self.whole).matrix.dense() == weight)
        let rows = try SparseRowsFitter<SparseGPTPruning>(entries: weight.count).fit(
            weight, objective: objective, size: .multiplyAdds(weight.count))
        #expect(rows.matrix.dense() == weight)
    }

    // MARK: SparseGPT

    /// One column pruned: the others move by w_p / [G^-1]_pp times its column of the inverse.
    @Test func oneColumnIsTheExactSurgeonsUpdate() throws {
        let (rows, columns) = (5, 40)
        var weight = Instances.random(rows, columns)
        for row in 0..<rows { weight[row, 0] *= 1e-3 }
        let gram = try Instances.correlatedGram(columns)
        let fit = try SparseRowsFitter<SparseGPTPruning>(entries: rows * (columns - 1)).fit(
            weight, objective: .activations(gram), size: .multiplyAdds(rows * columns))
        let inverse = try solvePositive(gram.matrix, .identity(columns))
        let dense = fit.matrix.dense()
        for row in 0..<rows {
            #expect(dense[row, 0] == 0)
            for column in 1..<columns {
                let expected = Double(weight[row, column]) - Double(weight[row, 0]) / inverse[0, 0] * inverse[0, column]
                #expect(abs(Double(dense[row, column]) - expected) < 1e-5)
            }
        }
    }

    @Test(arguments: forms)
    func eachStepIsBetterThanTheOneBefore(kept: Int, group: Int) throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            let weight = Instances.random(64, 160, seed: seed)
            let objective = Objective.activations(try Instances.correlatedGram(160, seed: seed))
            func error<Method: PruningMethod>(_ method: Method) throws -> Double {
                try NMSparseFitter(kept: kept, group: group, pruning: method)
                    .fit(weight, objective: objective, size: Self.whole).relativeError
            }
            let wanda = try error(WandaPruning())
            let swept = try error(SparseGPTPruning())
            let refitted = try error(RefittedPruning<SparseGPTPruning>())
            #expect(swept < wanda)
            #expect(refitted < swept)
            #expect(try error(RefittedPruning<WandaPruning>()) < wanda)
            #expect(try error(CombinatorialPruning()) <= refitted)
        }
    }

    @Test func wideGroupsHoldTheNarrowOnes() throws {
        for seed in 1...4 as ClosedRange<UInt64> {
            let weight = Instances.random(40, 96, seed: seed)
            for objective in try Instances.objectives(96) {
                let errors = try [(2, 4), (4, 8), (8, 16)].map { kept, group in
                    try NMWandaFitter(kept: kept, group: group)
                        .fit(weight, objective: .frobenius, size: Self.whole).relativeError
                }
                #expect(errors == errors.sorted(by: >), "\(objective.kind)")
            }
        }
    }

    // MARK: Exact refit

    /// Projected conjugate gradients on the same masks end at the same values, whether more is kept or dropped.
    @Test(arguments: forms)
    func refitIsWhatConjugateGradientsReach(kept count: Int, group: Int) throws {
        let (rows, columns) = (20, 64)
        let weight = Instances.random(rows, columns)
        let gram = try Instances.correlatedGram(columns)
        let objective = Objective.activations(gram)
        let fit = try Refitted(kept: count, group: group).fit(weight, objective: objective, size: Self.whole)
        let dense = fit.matrix.dense()
        for row in 0..<rows {
            let kept = (0..<columns).filter { dense[row, $0] != 0 }
            #expect(kept.count == columns * count / group)
            func product(_ x: [Double]) -> [Double] {
                kept.map { i in zip(kept, x).reduce(0) { $0 + gram.matrix[i, $1.0] * $1.1 } }
            }
            var x = [Double](repeating: 0, count: kept.count)
            var residual = kept.map { i in (0..<columns).reduce(0) { $0 + gram.matrix[i, $1] * Double(weight[row, $1]) } }
            var direction = residual
            var size = residual.reduce(0) { $0 + $1 * $1 }
            let start = size
            for _ in 0..<2000 where size > 1e-26 * start {
                let image = product(direction)
                let step = size / zip(direction, image).reduce(0) { $0 + $1.0 * $1.1 }
                for index in x.indices {
                    x[index] += step * direction[index]
                    residual[index] -= step * image[index]
                }
                let next = residual.reduce(0) { $0 + $1 * $1 }
                for index in x.indices { direction[index] = residual[index] + next / size * direction[index] }
                size = next
            }
            for (index, column) in kept.enumerated() {
                #expect(abs(Double(dense[row, column]) - x[index]) < 1e-5 * (1 + abs(x[index])))
            }
        }
    }

    @Test func refitNeverMovesTheMaskNorLoses() throws {
        let weight = Instances.random(70, 96)
        let objective = Objective.activations(try Instances.correlatedGram(96))
        let plain = try SparseGPT(kept: 4, group: 8).fit(weight, objective: objective, size: Self.whole)
        let refitted = try Refitted(kept: 4, group: 8).fit(weight, objective: objective, size: Self.whole)
        #expect(plain.matrix.places.withBytes(Array.init) == refitted.matrix.places.withBytes(Array.init))
        #expect(refitted.trace.count == 2 && refitted.trace[1] < refitted.trace[0])
        #expect(abs(refitted.trace[0] - plain.relativeError) < 1e-12)
    }

    // MARK: Compressed rows

    @Test func evenRowsKeepEquallyMany() throws {
        let weight = Instances.random(9, 40)
        for objective in try Instances.objectives(40) {
            for fit in [
                try SparseRowsFitter<WandaPruning>(entries: 9 * 12, evenRows: true)
                    .fit(weight, objective: objective, size: Self.whole),
                try SparseRowsFitter<WandaPruning>(entries: 9 * 12 + 8, evenRows: true)
                    .fit(weight, objective: objective, size: Self.whole),
            ] {
                for row in 0..<9 { #expect(fit.matrix.offsets[row + 1] - fit.matrix.offsets[row] == 12) }
            }
        }
        // Inputs of equal size: magnitude row by row.
        let equal = Objective.activations(try Gram(.identity(40)))
        let wanda = try SparseRowsFitter<WandaPruning>(entries: 108, evenRows: true)
            .fit(weight, objective: equal, size: Self.whole)
        let magnitude = try SparseRowsFitter<MagnitudePruning>(entries: 108, evenRows: true)
            .fit(weight, objective: .frobenius, size: Self.whole)
        #expect(wanda.matrix.dense() == magnitude.matrix.dense())
    }

    @Test func blocksOfColumnsKeepTheCount() throws {
        let weight = Instances.random(30, 300)
        let objective = Objective.activations(try Instances.correlatedGram(300))
        for count in [1, 137, 4500, 8999] {
            let fit = try SparseRowsFitter<SparseGPTPruning>(entries: count)
                .fit(weight, objective: objective, size: .multiplyAdds(9000))
            #expect(fit.matrix.columns.count == count)
        }
        let swept = try SparseRowsFitter<SparseGPTPruning>(entries: 4500)
            .fit(weight, objective: objective, size: .multiplyAdds(9000))
        let wanda = try SparseWandaFitter(entries: 4500).fit(weight, objective: objective, size: .multiplyAdds(9000))
        #expect(swept.relativeError < wanda.relativeError)
    }

    // MARK: Groups of rows

    @Test func groupsShareTheBestColumns() throws {
        let (rows, columns) = (22, 40)
        let weight = Instances.random(rows, columns)
        let gram = try Instances.correlatedGram(columns)
        for (objective, importance) in [
            (Objective.frobenius, [Double](repeating: 1, count: columns)), (.activations(gram), gram.diagonal),
        ] {
            for tile in [1, 4, 8, 22, 100] {
                let fit = try GroupSparseFitter<WandaPruning>(kept: 13, tile: tile)
                    .fit(weight, objective: objective, size: Self.whole)
                let dense = fit.matrix.dense()
                for first in stride(from: 0, to: rows, by: tile) {
                    let own = first..<min(rows, first + tile)
                    func score(_ column: Int) -> Double {
                        own.reduce(0) {
                            $0 + Double(weight[$1, column]) * Double(weight[$1, column]) * importance[column]
                        }
                    }
                    let kept = (0..<columns).filter { column in own.contains { dense[$0, column] != 0 } }
                    #expect(kept.count == 13)
                    #expect(own.allSatisfy { row in kept.allSatisfy { dense[row, $0] == weight[row, $0] } })
                    let worst = kept.map(score).min() ?? 0
                    #expect((0..<columns).allSatisfy { kept.contains($0) || score($0) <= worst })
                }
                if tile == 1 {
                    let rowsOnly = try SparseRowsFitter<WandaPruning>(entries: rows * 13, evenRows: true)
                        .fit(weight, objective: objective, size: .multiplyAdds(rows * columns))
                    #expect(rowsOnly.matrix.dense() == dense)
                }
            }
        }
    }

    @Test func groupFitsFallInOrder() throws {
        let weight = Instances.random(48, 150)
        let objective = Objective.activations(try Instances.correlatedGram(150))
        func error<Method: PruningMethod>(_ method: Method, tile: Int = 8) throws -> Double {
            try GroupSparseFitter(tile: tile, pruning: method).fit(
                weight, objective: objective, size: .fraction(0.5)).relativeError
        }
        let wanda = try error(WandaPruning())
        let refitted = try error(RefittedPruning<SparseGPTPruning>())
        #expect(try error(RefittedPruning<WandaPruning>()) < wanda)
        #expect(refitted < wanda)
        #expect(try error(CombinatorialPruning()) <= refitted)
        // Freer patterns are closer.
        #expect(try error(RefittedPruning<SparseGPTPruning>(), tile: 1) < refitted)
    }

    // MARK: iCBS

    /// All 924 masks of a row of 12 weights of which 6 stay as they are.
    @Test func smallRowsReachTheOptimum() throws {
        var reached = 0
        for seed in 1...40 as ClosedRange<UInt64> {
            let weight = Instances.random(1, 12, seed: seed)
            let objective = Objective.activations(try Instances.correlatedGram(12, seed: seed))
            let fit = try SparseRowsFitter(
                entries: 6, pruning: CombinatorialPruning(passes: 4, updatesWeights: false)
            ).fit(weight, objective: objective, size: .multiplyAdds(12))
            var best = Double.infinity
            for bits in 0..<1 << 12 where bits.nonzeroBitCount == 6 {
                let candidate = Matrix(rows: 1, columns: 12) { bits >> $1 & 1 == 1 ? weight[$0, $1] : 0 }
                best = min(best, try objective.error(of: candidate, for: weight))
            }
            #expect(fit.relativeError >= best - 1e-9)
            if fit.relativeError <= best + 1e-9 { reached += 1 }
        }
        #expect(reached > 36, "\(reached) of 40")
    }

    /// Longer rows: blocks of 12 in turn, against the Wanda mask they start from.
    @Test func blocksBetterTheMaskTheyStartFrom() throws {
        for seed in 1...5 as ClosedRange<UInt64> {
            let weight = Instances.random(8, 80, seed: seed)
            let objective = Objective.activations(try Instances.correlatedGram(80, seed: seed))
            let wanda = try SparseRowsFitter<WandaPruning>(entries: 320, evenRows: true)
                .fit(weight, objective: objective, size: .multiplyAdds(640))
            let fit = try SparseRowsFitter(
                entries: 320, evenRows: true, pruning: CombinatorialPruning(passes: 4, updatesWeights: false)
            ).fit(weight, objective: objective, size: .multiplyAdds(640))
            #expect(fit.relativeError < 0.8 * wanda.relativeError)
            #expect(fit.matrix.cost == wanda.matrix.cost)
        }
    }

    @Test(arguments: forms)
    func lossNeverRises(kept: Int, group: Int) throws {
        let weight = Instances.random(24, 64)
        let objective = Objective.activations(try Instances.correlatedGram(64))
        for updatesWeights in [true, false] {
            let method = CombinatorialPruning(passes: 4, updatesWeights: updatesWeights)
            let fit = try NMSparseFitter(kept: kept, group: group, pruning: method)
                .fit(weight, objective: objective, size: Self.whole)
            #expect(fit.trace.count >= 2 && zip(fit.trace, fit.trace.dropFirst()).allSatisfy { $0 >= $1 })
            #expect(abs(fit.relativeError - fit.trace[fit.trace.count - 1]) < 1e-6)
        }
    }

    @Test func diagonalGramKeepsTheScoreOrdering() throws {
        let weight = Instances.random(10, 32)
        let diagonal = Objective.activations(
            try Gram(DoubleMatrix(rows: 32, columns: 32) { $0 == $1 ? Double($0 * 7 % 32 + 1) : 0 }, relativeDamping: 0))
        let wanda = try NMWandaFitter(kept: 3, group: 8).fit(weight, objective: diagonal, size: Self.whole)
        for updatesWeights in [true, false] {
            let fit = try NMSparseFitter(kept: 3, group: 8, pruning: CombinatorialPruning(passes: 3, updatesWeights: updatesWeights))
                .fit(weight, objective: diagonal, size: Self.whole)
            #expect(fit.matrix.dense() == wanda.matrix.dense())
        }
        #expect(
            try SparseGPT(kept: 3, group: 8).fit(weight, objective: diagonal, size: Self.whole).matrix.dense()
                == wanda.matrix.dense())
    }

    // MARK: Hostile inputs

    @Test(arguments: Fitters.methods.map(\.name).filter { ["nm-", "csr-", "group-"].contains(where: $0.hasPrefix) })
    func undampedSingularGramsAndExtremeSizesAreNoError(name: String) throws {
        let fitter = try #require(Fitters.fitter(named: name))
        var inputs = Instances.random(5, 32, seed: 4).converted(to: Double.self)
        for row in 0..<5 { inputs[row, 3] = 0 }
        let weight = Instances.random(20, 32)
        for scale in [1, 1e-60, 1e60] {
            var scaled = inputs
            scaled.scale(by: scale)
            let objective = Objective.activations(try Gram(inputs: scaled, relativeDamping: 0))
            let fit = try fitter.fitAny(
                weight, objective: objective, size: .multiplyAdds(20 * 16), context: FitContext())
            #expect(fit.matrix.dense().isFinite)
            #expect(fit.relativeError < 1, "\(scale)")
        }
    }

    @Test func manyRowsGiveTheSameBitsAtAnyThreadCount() throws {
        let weight = Instances.random(600, 48)
        let objective = Objective.activations(try Instances.correlatedGram(48))
        for name in ["nm-sparsegpt", "nm-icbs", "csr-sparsegpt-refit", "group-sparsegpt-refit"] {
            let fitter = try #require(Fitters.fitter(named: name))
            let fits = try [1, 2, 3].map { threads in
                try fitter.fitAny(
                    weight, objective: objective, size: .fraction(0.5),
                    context: FitContext(execution: ExecutionContext(threads: threads)))
            }
            #expect(fits.allSatisfy { $0.matrix.dense() == fits[0].matrix.dense() && $0.trace == fits[0].trace })
        }
    }

    @Test func badOptionsAreTypedErrors() throws {
        let weight = Instances.random(8, 18)
        func message(_ fitter: any Fitter, size: SizeBudget = Self.whole) -> String {
            do {
                _ = try fitter.fitAny(weight, objective: .frobenius, size: size, context: FitContext(name: "layer"))
                return "no error"
            } catch { return "\(error)" }
        }
        #expect(message(SparseGPT(group: 6)) == "nm-sparsegpt: option 'group': expected 4, 8 or 16, got 6")
        #expect(message(Refitted()) == "layer: nm-sparse cannot cut the rows of a 8 x 18 matrix into groups of 4")
        #expect(
            message(GroupSparseFitter<WandaPruning>(tile: 0)) == "group-wanda: option 'tile': expected 1 or more, got 0")
        #expect(
            message(GroupSparseFitter<WandaPruning>(kept: 19)) == "group-wanda: option 'kept': expected 1 to 18, got 19")
        #expect(
            message(GroupSparseFitter<WandaPruning>(), size: .multiplyAdds(7))
                == "layer: a budget of 7 multiply-adds is below the smallest group-sparse form of a 8 x 18 matrix "
                + "(8 parameters, 34 bytes, 8 multiply-adds)")
    }

    @Test func cancellationEndsTheFit() throws {
        let weight = Instances.random(64, 64)
        let objective = Objective.activations(try Instances.correlatedGram(64))
        let asked = Counter()
        #expect(throws: FittingError.cancelled(matrix: "layer")) {
            try NMSparseFitter<CombinatorialPruning>(kept: 2).fit(
                weight, objective: objective, size: Self.whole,
                context: FitContext(name: "layer", isCancelled: { asked.next() > 20 }))
        }
    }
}
