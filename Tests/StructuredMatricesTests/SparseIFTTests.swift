import StructuredMatrices
import Testing

/// Shapes at equal multiply-adds.
@Suite struct SparseIFTTests {
    static let shapes = [(384, 384), (1536, 384), (384, 1536), (17, 40), (1, 9), (1, 1)]

    @Test(arguments: SparseIFT.Transformation.allCases, [0, 0.25, 0.5, 0.75, 0.9])
    func multiplyAddsAreThoseOfTheDenseLayer(transformation: SparseIFT.Transformation, sparsity: Double) throws {
        for (rows, columns) in Self.shapes {
            let dense = MatrixShape(rows: rows, columns: columns)
            let layer = try SparseIFT(transformation, of: dense, sparsity: sparsity)
            // A factorized layer of a single row cannot hold as many at a whole inner width.
            let slack = transformation == .factorized ? rows + columns : 0
            #expect(abs(layer.multiplyAdds - dense.count) <= slack, "\(dense)")
            for part in layer.parts { #expect((0...part.shape.count).contains(part.activeWeights)) }
        }
    }

    @Test func sparsityIsThatOfEveryPart() throws {
        let dense = MatrixShape(rows: 1536, columns: 384)
        for sparsity in [0.5, 0.75, 0.9] {
            for transformation in [SparseIFT.Transformation.wide, .parallel, .factorized] {
                for part in try SparseIFT(transformation, of: dense, sparsity: sparsity).parts {
                    let found = 1 - Double(part.activeWeights) / Double(part.shape.count)
                    #expect(abs(found - sparsity) < 0.005, "\(transformation) \(part)")
                }
            }
            let doped = try SparseIFT(.doped, of: dense, sparsity: sparsity)
            #expect(abs(1 - Double(doped.parts[0].activeWeights) / Double(dense.count) - sparsity) < 0.005)
            #expect(doped.parts.dropFirst().allSatisfy(\.isDense) && doped.parts.count == 3)
            #expect(doped.parts[1].shape.rows == doped.parts[2].shape.columns)
        }
        #expect(try SparseIFT(.wide, of: dense, sparsity: 0.75).parts[0].shape == MatrixShape(rows: 3072, columns: 768))
        #expect(try SparseIFT(.parallel, of: dense, sparsity: 0.75).parts.count == 4)
        #expect(try SparseIFT(.factorized, of: dense, sparsity: 0.5).parts[0].shape.rows == 614)
    }

    @Test func noSparsityIsTheDenseLayer() throws {
        for (rows, columns) in Self.shapes {
            let dense = MatrixShape(rows: rows, columns: columns)
            for transformation in [SparseIFT.Transformation.wide, .parallel, .doped] {
                let parts = try SparseIFT(transformation, of: dense, sparsity: 0).parts
                #expect(parts.map(\.shape) == [dense] && parts[0].isDense)
            }
        }
    }

    @Test func impossibleSizesAreRefused() {
        func message(_ sparsity: Double, rows: Int = 8, columns: Int = 8) -> String {
            do {
                _ = try SparseIFT(.wide, of: MatrixShape(rows: rows, columns: columns), sparsity: sparsity)
                return "no error"
            } catch { return "\(error)" }
        }
        let start = "sparse-ift cannot represent a 8 x 8 matrix: sparsity must be 0 up to but not including 1, got "
        #expect(message(1) == start + "1.0")
        #expect(message(-0.5) == start + "-0.5")
        #expect(message(.nan) == start + "nan")
        #expect(message(0.5, rows: 0) == "sparse-ift cannot represent a 0 x 8 matrix: sizes must be 1 to 2147483647")
        #expect(
            message(1 - 1e-16, rows: 2_000_000_000)
                == "sparse-ift cannot represent a 2000000000 x 8 matrix: sparsity 0.9999999999999999 makes it larger than 2^31")
    }
}
