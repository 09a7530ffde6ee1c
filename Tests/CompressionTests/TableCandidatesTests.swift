import Compression
import Fitting
import Foundation
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Embedding tables in a compression: what their errors weigh, and what is offered for them.
@Suite struct TableCandidatesTests {
    static let shape = MatrixShape(rows: 600, columns: 48)
    static let site = MatrixSite(name: "table", shape: shape, role: .embedding, input: nil)

    static func usage(_ sequences: [[Int]] = [[0, 1, 1, 2], [1, 5]]) -> TableUsage {
        TableUsage(sequences: sequences, vocabulary: shape.rows, positions: 16)
    }

    static func weight(seed: UInt64 = 1) -> Matrix {
        var generator = SeededGenerator(seed: seed)
        var weight = Matrix.random(rows: shape.rows, columns: shape.columns, using: &generator)
        for row in 0..<shape.rows { for column in 0..<shape.columns { weight[row, column] /= Float(1 + column).squareRoot() } }
        return weight
    }

    // MARK: Usage

    /// A table that is coarse where a text does not look is worse than that text shows; one that is coarse everywhere is not.
    @Test func rowsThatATextDoesNotLookUpCount() throws {
        let (weight, sequences) = (Self.weight(), [[Int]](repeating: Array(0..<40), count: 3))
        let seen = TableUsage(
            sequences: sequences, vocabulary: Self.shape.rows, positions: 16, isExpected: false)
        #expect(abs(seen.tokens.reduce(0, +) - 1) < 1e-12 && seen.tokens[39] > 0 && seen.tokens[40] == 0)
        let expected = try Self.usage(sequences).objective(of: Self.site, weight: weight, gram: nil)
        func unseen(_ change: (_ row: Int) -> Float) throws -> Double {
            var changed = weight
            for row in 0..<weight.rows { for column in 0..<weight.columns { changed[row, column] *= 1 + change(row) } }
            let fit = AnyFit(
                matrix: Dense(changed), relativeError: try expected.error(of: changed, for: weight), trace: [])
            let error = try UnseenRows.error(of: fit, for: weight, at: Self.site, seen: seen)
            #expect(error <= fit.relativeError)
            return error
        }
        // Rows are wrong by a tenth of themselves.
        let rare = try unseen { $0 < 40 ? 0 : 0.1 }
        #expect(rare > 1e-3 && rare < 0.01)
        #expect(try unseen { _ in 0.1 } < 1e-6)
        #expect(try unseen { $0 < 40 ? 0.1 : 0 } == 0)
        #expect(UnseenRows.concern(Self.site))
        #expect(!UnseenRows.concern(MatrixSite(name: "layer", shape: Self.shape, role: .linear, input: "x")))
    }


    @Test func frequenciesSumToOneAndFollowCounts() {
        let usage = Self.usage()
        #expect(abs(usage.tokens.reduce(0, +) - 1) < 1e-12)
        #expect(usage.tokens[1] > usage.tokens[0] && usage.tokens[0] > usage.tokens[400])
        #expect(usage.tokens.allSatisfy { $0 > 0 })
        // Positions that more sequences reach are more frequent.
        #expect(usage.positions[0] > usage.positions[3] && usage.positions[3] > usage.positions[12])
    }

    /// A token that never occurred, between tokens that did, is more likely than one among others that never did; one very
    /// frequent neighbour alone says little.
    @Test func neighboursSpeakForWhatWasNotSeen() {
        var counts = [Double](repeating: 0, count: 2560)
        for index in 100..<110 where index != 105 { counts[index] = 2 }
        counts[1000] = 5000
        let frequencies = TableUsage.smoothed(counts)
        #expect(frequencies[105] > 5 * frequencies[2000])
        #expect(frequencies[1001] < frequencies[105])
        #expect(frequencies[1000] > 100 * frequencies[101])
    }

    /// What the smoothing is for, on the text and the vocabulary there are: unseen text is more likely than with the best of
    /// three additive smoothings.
    @Test func smoothingByNeighboursPredictsUnseenTextBetter() throws {
        let loaded = try LoadedModel.load(CompressionJobTests.model)
        func counts(_ file: String) throws -> [Double] {
            let text = try String(
                contentsOf: CompressionJobTests.root.appending(path: "Examples/\(file)"), encoding: .utf8)
            var counts = [Double](repeating: 0, count: loaded.model.vocabularySize)
            for token in loaded.tokenizer.encode(text, addSpecialTokens: false) { counts[token] += 1 }
            return counts
        }
        let (seen, unseen) = (try counts("calibration-prose.txt"), try counts("evaluation-prose.txt"))
        func likelihood(_ frequencies: [Double]) -> Double {
            let total = frequencies.reduce(0, +)
            return zip(unseen, frequencies).reduce(0) { $0 + $1.0 * log($1.1 / total) } / unseen.reduce(0, +)
        }
        let additive = [0.01, 0.1, 1].map { amount in likelihood(seen.map { $0 + amount }) }.max() ?? 0
        #expect(likelihood(TableUsage.smoothed(seen)) > additive)
    }

    @Test func objectivesWeighRowsByUseAndSize() throws {
        let usage = Self.usage()
        let weight = Self.weight()
        let lookedUp = try usage.objective(of: Self.site, weight: weight, gram: nil)
        let rows = try #require(lookedUp.rowWeights)
        #expect(lookedUp.gram == nil && rows.count == Self.shape.rows)
        let square = weight.row(1).reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(rows[1] / (pow(usage.tokens[1], TableUsage.exponent) / square) - 1) < 1e-9)
        // A tied table: half the identity, half the head's moments at the same scale.
        let moments = DoubleMatrix(rows: 48, columns: 48) { $0 == $1 ? ($0 == 0 ? 96 : 0) : 0 }
        let tied = try usage.objective(of: Self.site, weight: weight, gram: Gram(moments, relativeDamping: 0))
        let diagonal = try #require(tied.gram).diagonal
        #expect(abs(diagonal[0] - (0.5 + 24)) < 1e-9 && abs(diagonal[1] - 0.5) < 1e-9)
        // A table of neither tokens nor positions is not weighted.
        let other = Matrix(rows: 7, columns: 3, repeating: 1)
        #expect(try usage.objective(of: Self.site, weight: other, gram: nil).kind == .frobenius)
    }

    // MARK: Candidates

    @Test func tablesAloneAreOfferedTableFamilies() {
        for name in ["product-quantized", "rotated-product-quantized", "shared-rows"] {
            guard let source = CandidateSources.all.first(where: { $0.name == name }) else {
                Issue.record("\(name) is not registered")
                continue
            }
            let linear = MatrixSite(name: "w", shape: Self.shape, role: .linear, input: "x")
            #expect(source.candidates(for: linear, quantity: .bytes, precision: .f16).isEmpty)
            let grid = source.candidates(for: Self.site, quantity: .bytes, precision: .f16)
            #expect(!grid.isEmpty && Set(grid).count == grid.count)
            #expect(source.serves(.bytes) && !source.serves(.multiplyAdds) && !source.serves(.latency))
        }
        // A vocabulary of 30,522 can be had from a third of a bit a number to more than five.
        let table = MatrixSite(name: "w", shape: MatrixShape(rows: 30_522, columns: 384), role: .embedding, input: nil)
        let source = RotatedProductCandidates()
        let bits = source.candidates(for: table, quantity: .bytes, precision: .f16).map {
            8 * Double(source.cost(of: $0, shape: table.shape, precision: .f16).storedBytes) / Double(table.shape.count)
        }.sorted()
        #expect(bits[0] < 0.5 && (bits.last ?? 0) > 5)
        #expect(zip(bits, bits.dropFirst()).allSatisfy { $1 < 1.3 * $0 })
    }

    /// Assessing all sizes at once says of each what fitting it alone gives: exactly so where rows are all alike, and not much
    /// more where a block of rows has centroids of its own.
    @Test func assessedErrorsAreThoseOfTheFits() throws {
        let weight = Self.weight()
        let usage = Self.usage()
        var generator = SeededGenerator(seed: 3)
        let inputs = DoubleMatrix.random(rows: 200, columns: 48, using: &generator)
        for gram in [nil, try Gram(inputs: inputs)] {
            let context = CandidateContext(
                site: Self.site, weight: weight, objective: try usage.objective(of: Self.site, weight: weight, gram: gram),
                fit: FitContext(name: "table", precision: .f16))
            let source = RotatedProductCandidates()
            func candidate(_ subspaces: Int, _ top: Int, _ share: Int) -> Candidate {
                Candidate(
                    family: source.name, options: ["bits": 6, "subspaces": subspaces, "top": top, "share": share])
            }
            let candidates = [candidate(8, 8, 64), candidate(16, 16, 64), candidate(8, 24, 16), candidate(8, 16, 32)]
            let assessed = try source.assess(candidates, context) { _, _ in }
            for (index, result) in assessed.enumerated() {
                let fit = try source.fit(result.candidate, context)
                #expect(fit.matrix.cost == result.cost)
                if index < 2 {
                    #expect(abs(fit.relativeError - result.relativeError) < 1e-3 * result.relativeError)
                } else {
                    #expect(fit.relativeError < 1.05 * result.relativeError && fit.relativeError > 0.5 * result.relativeError)
                }
            }
            #expect(assessed[2].relativeError < assessed[0].relativeError)
        }
    }

    /// From the folder to the folder: a small encoder's table in two blocks of codes, read back and looked up.
    @Test func aCompressedTableIsReadBack() throws {
        try SmallEncoder.with { folder, model, _ in
            let output = folder.appending(path: "small")
            let text = folder.appending(path: "text.txt")
            try Data((0..<64).map { "token \($0) sits near \($0 * $0 % 11)" }.joined(separator: "\n").utf8).write(to: text)
            let job = CompressionJob(
                model: model, output: output.path,
                recipe: Recipe(
                    budget: Budget(quantity: .bytes, fraction: 0.12),
                    selection: MatrixSelection(scope: .all, only: ["*word_embeddings"]),
                    families: ["rotated-product-quantized"]),
                calibration: .file(text.path), context: ExecutionContext(threads: 2))
            let report = try job.run()
            #expect(report.allocationNotes.contains { $0.hasPrefix("embedding tables are ") })
            let loaded = try LoadedModel.load(output.path)
            let name = try #require(loaded.model.sites.first { $0.role == .embedding }?.name)
            let table = loaded.model[site: name]
            #expect(table.family.name == "product")
            #expect(8 * table.cost.storedBytes <= 2 * table.shape.count)
            let rows = table.gather(rows: [5, 2000, 30_000])
            let dense = table.dense()
            for (index, row) in [5, 2000, 30_000].enumerated() {
                #expect(zip(rows.row(index), dense.row(row)).allSatisfy { abs($0 - $1) < 1e-6 })
            }
        }
    }
}
