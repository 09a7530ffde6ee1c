import Fitting
import StructuredMatrices
import Tensors
import Testing

@Suite struct MagnitudeFitterTests {
    static let forms = [(1, 4), (2, 4), (3, 4), (4, 8), (5, 8), (8, 16), (3, 16), (4, 4)]
    static let whole = SizeBudget.fraction(1)

    /// The scores of what was kept and of what was not, group by group.
    private func check(_ weight: Matrix, _ kept: Matrix, group: Int, count: Int, score: (Int, Int) -> Double) {
        for row in 0..<weight.rows {
            for start in stride(from: 0, to: weight.columns, by: group) {
                let columns = start..<start + group
                let inside = columns.filter { kept[row, $0] != 0 }
                #expect(inside.count == count)
                #expect(inside.allSatisfy { kept[row, $0] == weight[row, $0] })
                let worst = inside.map { score(row, $0) }.min() ?? .infinity
                #expect(columns.filter { kept[row, $0] == 0 }.allSatisfy { score(row, $0) <= worst })
            }
        }
    }

    @Test(arguments: forms)
    func groupsKeepTheLargest(kept: Int, group: Int) throws {
        for seed in 1...4 as ClosedRange<UInt64> {
            let weight = Instances.random(7, 48, seed: seed)
            let fit = try NMMagnitudeFitter(kept: kept, group: group)
                .fit(weight, objective: .frobenius, size: Self.whole)
            #expect(fit.matrix.kept == kept && fit.matrix.group == group)
            check(weight, fit.matrix.dense(), group: group, count: kept) { Double(abs(weight[$0, $1])) }
        }
    }

    @Test(arguments: forms)
    func activationsWeighTheInputs(kept: Int, group: Int) throws {
        let gram = try Instances.correlatedGram(48)
        let weight = Instances.random(7, 48)
        let fit = try NMWandaFitter(kept: kept, group: group)
            .fit(weight, objective: .activations(gram), size: Self.whole)
        check(weight, fit.matrix.dense(), group: group, count: kept) {
            Double(abs(weight[$0, $1])) * gram.diagonal[$1].squareRoot()
        }
    }

    /// Under a diagonal Gram matrix no other choice of places is better: all six of each group tried.
    @Test func diagonalGramIsSolvedExactly() throws {
        let diagonal = DoubleMatrix(rows: 4, columns: 4) { $0 == $1 ? [0.1, 3, 0.5, 8][$0] : 0 }
        let objective = Objective.activations(try Gram(diagonal, relativeDamping: 0))
        for seed in 1...20 as ClosedRange<UInt64> {
            let weight = Instances.random(1, 4, seed: seed)
            let fit = try NMWandaFitter(kept: 2).fit(weight, objective: objective, size: Self.whole)
            for first in 0..<4 {
                for second in first + 1..<4 {
                    var other = Matrix(rows: 1, columns: 4)
                    for column in [first, second] { other[0, column] = weight[0, column] }
                    #expect(fit.relativeError <= (try objective.error(of: other, for: weight)))
                }
            }
        }
    }

    @Test(arguments: forms, Precision.allCases)
    func plantedMatricesAreFoundExactly(form: (Int, Int), precision: Precision) throws {
        let (kept, group) = form
        var generator = SeededGenerator(seed: 5)
        let places = (0..<6 * (48 / group)).flatMap { _ in
            (0..<UInt8(group)).shuffled(using: &generator).prefix(kept).sorted()
        }
        let planted = try NMSparse(
            values: places.map { _ in Float(1 + generator.nextUniform()) }, places: places,
            shape: MatrixShape(rows: 6, columns: 48), kept: kept, group: group, precision: precision)
        for objective in try Instances.objectives(48) {
            let fit = try NMMagnitudeFitter(kept: kept, group: group).fit(
                planted.dense(), objective: objective, size: Self.whole, context: FitContext(precision: precision))
            #expect(fit.relativeError == 0)
            #expect(fit.matrix.values == planted.values)
            #expect(fit.matrix.places.withBytes(Array.init) == planted.places.withBytes(Array.init))
        }
    }

    @Test func sparseRowsKeepTheLargestOfTheMatrix() throws {
        for seed in 1...4 as ClosedRange<UInt64> {
            let weight = Instances.random(9, 31, seed: seed)
            let gram = try Instances.correlatedGram(31, seed: seed)
            for (objective, importance) in [
                (Objective.frobenius, [Double](repeating: 1, count: 31)), (.activations(gram), gram.diagonal),
            ] {
                func score(_ index: Int) -> Double {
                    Double(weight.elements[index]) * Double(weight.elements[index]) * importance[index % 31]
                }
                for count in [0, 1, 77, 9 * 31] {
                    let fit = try SparseWandaFitter(entries: count)
                        .fit(weight, objective: objective, size: Self.whole)
                    let dense = fit.matrix.dense()
                    #expect(fit.matrix.columns.count == count)
                    let inside = dense.elements.indices.filter { dense.elements[$0] != 0 }
                    #expect(inside.count == count && inside.allSatisfy { dense.elements[$0] == weight.elements[$0] })
                    let worst = inside.map(score).min() ?? .infinity
                    #expect(dense.elements.indices.filter { dense.elements[$0] == 0 }.allSatisfy { score($0) <= worst })
                }
            }
        }
    }

    @Test func zerosAreNeverStored() throws {
        var weight = Instances.random(8, 16)
        for index in stride(from: 0, to: 128, by: 3) { weight.elements[index] = 0 }
        let fit = try SparseMagnitudeFitter().fit(weight, objective: .frobenius, size: .multiplyAdds(128))
        #expect(fit.relativeError == 0 && fit.matrix.columns.count == 128 - 43)
        #expect(fit.matrix.dense() == weight)
    }

    @Test func budgetChoosesTheSize() throws {
        let weight = Instances.random(8, 32)
        let shape = MatrixShape(rows: 8, columns: 32)
        for kept in 1...8 {
            let cost = NMSparse.cost(shape: shape, kept: kept, group: 8, precision: .f16)
            let fit = try NMMagnitudeFitter(group: 8).fit(
                weight, objective: .frobenius, size: .storedBytes(cost.storedBytes),
                context: FitContext(precision: .f16))
            #expect(fit.matrix.kept == kept && fit.matrix.cost == cost)
        }
        let cost = CompressedSparseRows.cost(shape: shape, entries: 50, precision: .f16)
        let fit = try SparseMagnitudeFitter().fit(
            weight, objective: .frobenius, size: .storedBytes(cost.storedBytes + 3),
            context: FitContext(precision: .f16))
        #expect(fit.matrix.cost == cost)
    }

    @Test func badOptionsAreTypedErrors() throws {
        let weight = Instances.random(8, 18)
        func message(_ fitter: any Fitter) -> String {
            do {
                _ = try fitter.fitAny(
                    weight, objective: .frobenius, size: Self.whole, context: FitContext(name: "layer"))
                return "no error"
            } catch { return "\(error)" }
        }
        #expect(
            message(NMMagnitudeFitter(group: 4)) == "layer: nm-sparse cannot cut the rows of a 8 x 18 matrix into groups of 4")
        #expect(message(NMMagnitudeFitter(group: 6)) == "nm-magnitude: option 'group': expected 4, 8 or 16, got 6")
        #expect(message(NMMagnitudeFitter(kept: 5)) == "nm-magnitude: option 'kept': expected 1 to 4, got 5")
        #expect(message(NMMagnitudeFitter(kept: 0)) == "nm-magnitude: option 'kept': expected 1 to 4, got 0")
        #expect(message(SparseMagnitudeFitter(entries: -1)) == "csr-magnitude: option 'entries': expected 0 or more, got -1")
    }
}
