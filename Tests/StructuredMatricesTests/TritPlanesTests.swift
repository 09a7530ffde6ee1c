import StructuredMatrices
import Tensors
import Testing

@Suite struct TritPlanesTests {
    static let shape = MatrixShape(rows: 2, columns: 5)

    /// Two planes with groups of 3: the planes add up, scales belong to their groups.
    @Test func planesAddUp() throws {
        let matrix = try TritPlanes(
            trits: [1, 0, -1, 1, 1, 0, 0, 0, -1, 1] + [1, 1, 1, -1, 0, 1, -1, 0, 1, 1],
            scales: [2, 4, 8, 16] + [0.5, 1, 2, 0.25], planes: 2, shape: Self.shape, groupSize: 3)
        #expect(matrix.dense().elements == [2.5, 0.5, -1.5, 3, 4, 2, -2, 0, -15.75, 16.25])
        #expect(matrix.gather(rows: [1]).elements == [2, -2, 0, -15.75, 16.25])
    }

    /// The layout on disk: t + 2 in two bits, lowest first, rows on whole bytes.
    @Test func bytesOnDisk() throws {
        let matrix = try TritPlanes(
            trits: [-1, 0, 1, 0, 1, 0, 0, 0, 0, -1], scales: [1, 1], planes: 1, shape: Self.shape, groupSize: 5)
        #expect(matrix.trits.shape == [1, 2, 2])
        #expect(matrix.trits.withBytes(Array.init) == [0b10_11_10_01, 0b11, 0b10_10_10_10, 0b01])
        #expect(matrix.cost == Cost(parameters: 12, storedBytes: 8, multiplyAdds: 10))
    }

    @Test func wrongCountsAndTritsAreRefused() {
        func message(trits: [Int8], scales: Int, planes: Int = 1, groupSize: Int = 3) -> String {
            do {
                let scales = [Float](repeating: 1, count: scales)
                let matrix = try TritPlanes(
                    trits: trits, scales: scales, planes: planes, shape: Self.shape, groupSize: groupSize)
                return "\(matrix.shape)"
            } catch { return "\(error)" }
        }
        let zeros = [Int8](repeating: 0, count: 10)
        let prefix = "trit-planes cannot represent a 2 x 5 matrix: "
        #expect(message(trits: zeros, scales: 4) == "2 x 5")
        #expect(message(trits: zeros, scales: 4, planes: 2) == prefix + "it needs 20 trits, got 10")
        #expect(message(trits: zeros, scales: 3) == prefix + "it needs 4 scales, got 3")
        #expect(message(trits: zeros, scales: 4, planes: 5) == prefix + "planes must be 1 to 4, got 5")
        #expect(message(trits: zeros, scales: 4, planes: 0) == prefix + "planes must be 1 to 4, got 0")
        #expect(message(trits: zeros.dropLast() + [2], scales: 4) == prefix + "2 is not a trit")
        #expect(
            message(trits: zeros, scales: 4, groupSize: 0) == prefix + "groups must have at least one weight, got 0")
    }

    /// All planes go through panels of codes, two bits a trit and a scale a group each.
    @Test func preparedReadsTwoBitsATrit() throws {
        var generator = SeededGenerator(seed: 2, stream: "trits")
        let shape = MatrixShape(rows: 128, columns: 256)
        let matrix = try TritPlanes(
            trits: (0..<2 * shape.count).map { _ in Int8(Int.random(in: -1...1, using: &generator)) },
            scales: (0..<2 * 128 * 2).map { _ in Float(generator.nextUniform()) }, planes: 2, shape: shape,
            groupSize: 128)
        let prepared = matrix.prepared(PreparationOptions(activations: .int8))
        #expect(prepared.byteCount == matrix.cost.storedBytes)
        let x = Matrix.random(rows: 3, columns: 256, using: &generator)
        let y = PreparedCodesTests.product(prepared, x, threads: 2), w = matrix.dense(), exact = w.reference(x)
        // Each plane is multiplied with the same rounded inputs: the bound of the sum of the planes' absolute values.
        for row in 0..<3 {
            for output in 0..<128 {
                var bound = 0.0
                for group in 0..<2 {
                    let columns = group * 128..<(group + 1) * 128
                    let largest = columns.map { abs(Double(x[row, $0])) }.max() ?? 0
                    bound += largest / 127 * 0.5001 * columns.reduce(0.0) { $0 + abs(Double(w[output, $1])) }
                }
                let error = abs(Double(y[row, output]) - exact.product[row, output])
                #expect(error <= bound + 1e-5 * exact.magnitude[row, output])
            }
        }
    }
}
