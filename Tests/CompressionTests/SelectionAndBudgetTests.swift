import Compression
import StructuredMatrices
import Tensors
import Testing
import Transformers

@Suite struct SelectionAndBudgetTests {
    static let sites = [
        MatrixSite(name: "a.query", shape: MatrixShape(rows: 4, columns: 4), role: .linear, input: "x"),
        MatrixSite(name: "a.key", shape: MatrixShape(rows: 4, columns: 4), role: .linear, input: "x"),
        MatrixSite(name: "table", shape: MatrixShape(rows: 9, columns: 4), role: .embedding, input: nil),
    ]

    @Test func everyMatrixIsSelectedOrLeftWithAReason() throws {
        let (selected, left) = try MatrixSelection(scope: .linear, except: ["*.k?y"]).split(Self.sites)
        #expect(selected.map(\.name) == ["a.query"])
        #expect(left.map(\.site.name) == ["a.key", "table"])
        #expect(left.map(\.reason) == ["excepted by '*.k?y'", "embedding table, outside --scope linear"])
        #expect(try MatrixSelection(scope: .all).split(Self.sites).selected.count == 3)
        // Tables take part by default where bytes count.
        typealias Scope = MatrixSelection.Scope
        #expect(Scope.standard(for: [.bytes]) == .all && Scope.standard(for: [.latency, .bytes]) == .all)
        #expect(Scope.standard(for: [.multiplyAdds]) == .linear && Scope.standard(for: [.latency]) == .linear)
        #expect(throws: CompressionError.patternMatchesNothing(pattern: "b.*")) {
            try MatrixSelection(only: ["b.*"]).split(Self.sites)
        }
    }

    @Test(arguments: [("50%", 0.5), ("12.5 %", 0.125), ("0.25", 0.25), ("100%", 1)])
    func budgetsAreShares(text: String, fraction: Double) throws {
        #expect(try Budget(text, quantity: .bytes).fraction == fraction)
    }

    @Test(arguments: [("0.6x", 0.6), ("60%", 0.6), ("1 x", 1), ("0.25", 0.25)])
    func latenciesMayBeTimes(text: String, fraction: Double) throws {
        #expect(try Budget(text, quantity: .latency).fraction == fraction)
    }

    @Test func onlyLatenciesMayBeTimes() {
        #expect(throws: CompressionError.self) { try Budget("0.6x", quantity: .bytes) }
        #expect(throws: CompressionError.self) { try Budget("1.5x", quantity: .latency) }
        #expect(throws: CompressionError.self) { try Budget("x", quantity: .latency) }
    }

    @Test(arguments: ["", "%", "half", "0", "-5%", "150%", "nan", "inf%"])
    func otherBudgetsAreErrors(text: String) {
        #expect(throws: CompressionError.self) { try Budget(text, quantity: .bytes) }
    }

    @Test func calibrationTextIsSplit() throws {
        let lines = (0..<40).map { "sentence \($0)" }.joined(separator: "\n") + "\n\n"
        let text = try CalibrationText.sentences(lines, origin: "file") { [$0.utf8.count] }
        #expect(text.calibration.count == 35 && text.heldOut.count == 5)
        let windows = try CalibrationText.windows(Array(0..<100), length: 32, origin: "file")
        #expect(windows.calibration.count + windows.heldOut.count == 3)
        #expect(throws: CompressionError.emptyCalibration(file: "file")) {
            try CalibrationText.sentences(" \n", origin: "file") { _ in [] }
        }
    }

    @Test func everyCandidateCostsWhatItsSourceSays() throws {
        var generator = SeededGenerator(seed: 1)
        // A table, because some families are for tables alone.
        let site = MatrixSite(name: "w", shape: MatrixShape(rows: 48, columns: 96), role: .embedding, input: nil)
        let weight = Matrix.random(rows: 48, columns: 96, using: &generator)
        let context = CandidateContext(
            site: site, weight: weight, objective: .frobenius, fit: .init(name: "w", precision: .f16))
        for source in CandidateSources.all {
            let grid = source.candidates(for: site, quantity: .bytes, precision: .f16)
            #expect(!grid.isEmpty, "\(source.family.name)")
            for candidate in [grid.first, grid[grid.count / 2]].compactMap({ $0 }) {
                let fit = try source.fit(candidate, context)
                #expect(
                    fit.matrix.cost == source.cost(of: candidate, shape: site.shape, precision: .f16), "\(candidate.label)")
            }
        }
    }

    @Test func theShippedSentencesAreTheExamples() throws {
        let file = CompressionJobTests.root.appending(path: "Examples/calibration-sentences.txt")
        #expect(try String(contentsOf: file, encoding: .utf8) == ShippedSentences.text + "\n")
    }
}
