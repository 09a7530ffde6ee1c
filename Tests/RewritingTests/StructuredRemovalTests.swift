import LinearAlgebra
import Rewriting
import Tensors
import Testing

@Suite struct StructuredRemovalTests {
    /// After any number of removals the error is that of the least-squares solution on what is kept (ZipLM's check).
    @Test(arguments: [1, 2, 3])
    func theErrorsAreThoseOfADirectSolve(unitSize: Int) throws {
        let part = try PlantedPart(tokens: 400, inputs: 12, outputs: 5, seed: 11).part(unitSize: unitSize)
        let removal = try StructuredRemoval(part, relativeRidge: 1e-9)
        #expect(removal.order.sorted() == Array(0..<part.units))
        for count in 1..<part.units {
            let result = try Compensation.affine.apply(to: part, keeping: removal.kept(count), relativeRidge: 1e-9)
            let direct = part.error(of: result)
            #expect(abs(direct - removal.errors[part.units - count - 1]) < 1e-5 * removal.whole)
        }
        #expect(zip(removal.errors, removal.errors.dropFirst()).allSatisfy { $0 <= $1 + 1e-9 })
        #expect(removal.relativeError(keeping: 0) == 1)
        #expect(removal.relativeError(keeping: part.units) == 0)
    }

    @Test func itIsNoWorseThanMagnitudeWithTheSameCount() throws {
        let part = try PlantedPart(tokens: 400, inputs: 20, outputs: 6, seed: 12).part()
        let removal = try StructuredRemoval(part)
        let magnitude = try UnitScore.magnitude.scores(of: part)
        for count in [5, 10, 15] {
            let largest = Array(magnitude.indices.sorted { magnitude[$0] > magnitude[$1] }.prefix(count))
            let own = part.error(of: try Compensation.affine.apply(to: part, keeping: removal.kept(count)))
            let other = part.error(of: try Compensation.affine.apply(to: part, keeping: largest))
            #expect(own <= other)
        }
    }

    @Test func whatOthersSayGoesFirst() throws {
        let base = PlantedPart(tokens: 100, inputs: 7, outputs: 3, seed: 13)
        let planted = PlantedPart(base, setting: 3) { row in
            row[row.startIndex] - 2 * row[row.startIndex + 5] + 1
        }
        let removal = try StructuredRemoval(planted.part(), relativeRidge: 1e-9)
        #expect([0, 3, 5].contains(removal.order[0]))
        #expect(removal.errors[0] < 1e-5 * removal.whole)
    }

    @Test func deadInputsAndOneUnitAreNoError() throws {
        let base = PlantedPart(tokens: 30, inputs: 4, outputs: 2, seed: 14)
        let dead = PlantedPart(base, setting: 0) { _ in 0 }
        #expect(try StructuredRemoval(dead.part()).order[0] == 0)
        let whole = try StructuredRemoval(base.part(unitSize: 4))
        #expect(whole.order == [0])
        let zero = try ReducedPart(
            name: "zero", weight: DoubleMatrix(rows: 2, columns: 4), unitSize: 1, moments: InputMoments(inputs: base.inputs))
        #expect(try StructuredRemoval(zero).relativeError(keeping: 1) == 0)
    }
}
