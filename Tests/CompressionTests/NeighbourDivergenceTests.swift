import Compression
import Tensors
import Testing

@Suite struct NeighbourDivergenceTests {
    private static func embeddings(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
        var generator = SeededGenerator(seed: seed)
        return .random(rows: rows, columns: columns, using: &generator)
    }

    @Test func whatKeepsAllCosinesKeepsNeighbours() {
        let original = Self.embeddings(60, 12, seed: 1)
        let distance = NeighbourDivergence(original)
        #expect(distance(original) < 1e-9)
        // Scaled, and turned in a plane: 1 - cosine of the sentences themselves would be large.
        let turned = Matrix(rows: 60, columns: 12) { row, column in
            let scale = Float(1 + row % 3)
            switch column {
            case 0: return scale * original[row, 1]
            case 1: return -scale * original[row, 0]
            default: return scale * original[row, column]
            }
        }
        #expect(distance(turned) < 1e-6)
    }

    @Test func growsWithTheSquareOfASmallChange() {
        let original = Self.embeddings(60, 12, seed: 2)
        let change = Self.embeddings(60, 12, seed: 3)
        let distance = NeighbourDivergence(original)
        func moved(_ size: Float) -> Double {
            distance(Matrix(rows: 60, columns: 12) { original[$0, $1] + size * change[$0, $1] })
        }
        let ratio = moved(0.004) / moved(0.002)
        #expect(ratio > 3.6 && ratio < 4.4)
    }

    @Test func tooFewSentencesHaveNoNeighbours() {
        for count in 0...2 {
            let original = Self.embeddings(count, 4, seed: 5)
            #expect(NeighbourDivergence(original)(Self.embeddings(count, 4, seed: 6)) == 0)
        }
        let large = Self.embeddings(NeighbourDivergence.mostSentences + 7, 3, seed: 7)
        #expect(NeighbourDivergence(large)(large) < 1e-9)
    }

    @Test func aBrokenEmbeddingIsNotClose() {
        let original = Self.embeddings(10, 4, seed: 8)
        var broken = original
        broken[3, 1] = .nan
        #expect(!NeighbourDivergence(original)(broken).isFinite)
    }
}
