import Compression
import Fitting
import StructuredMatrices
import Testing

@Suite struct SizeShareTests {
    static let shape = MatrixShape(rows: 384, columns: 1536)

    @Test func sharesAreBudgets() throws {
        #expect(try SizeShare("50%", of: .parameters).budget(for: Self.shape) == .parameters(294_912))
        #expect(try SizeShare("0.7", of: .multiplyAdds).budget(for: Self.shape) == .multiplyAdds(412_876))
        #expect(try SizeShare("70%", of: .bytes).budget(for: MatrixShape(rows: 10, columns: 10)) == .storedBytes(140))
        // 4 bits each and a 16-bit scale for every 32.
        #expect(SizeShare.bits(4).budget(for: Self.shape) == .storedBytes(384 * (768 + 96)))
        #expect(SizeShare.bits(3).budget(for: MatrixShape(rows: 1, columns: 33)) == .storedBytes(13 + 4))
    }

    @Test func textsAreReadable() throws {
        #expect(try SizeShare("12.5%", of: .bytes).text == "12.5 % of bytes")
        #expect(try SizeShare("50%", of: .multiplyAdds).text == "50 % of multiply-adds")
        #expect(SizeShare.bits(2).text == "2 bits")
        #expect(throws: CompressionError.self) { try SizeShare("150%", of: .bytes) }
    }
}
