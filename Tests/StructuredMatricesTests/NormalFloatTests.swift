import Foundation
import StructuredMatrices
import Tensors
import Testing

@Suite struct NormalFloatTests {
    /// x with P(N(0, 1) < x) = p, by bisection.
    static func quantile(_ p: Double) -> Double {
        var (low, high) = (-10.0, 10.0)
        for _ in 0..<200 {
            let middle = (low + high) / 2
            if erfc(-middle / 2.0.squareRoot()) / 2 < p { low = middle } else { high = middle }
        }
        return low
    }

    /// The construction of QLoRA: 8 and 9 probabilities evenly spaced on the two sides of 0.5.
    @Test func levelsAreNormalQuantiles() {
        let offset = 0.9677083
        let left = (0..<8).map { Self.quantile(1 - offset + (offset - 0.5) * Double($0) / 7) }
        let right = (1..<9).map { Self.quantile(0.5 + (offset - 0.5) * Double($0) / 8) }
        let all = left + right
        #expect(NormalFloat.levels.count == 16)
        for (level, quantile) in zip(NormalFloat.levels, all) {
            #expect(abs(Double(level) - quantile / (all.last ?? 1)) < 1e-5)
        }
    }

    @Test func zeroIsALevel() throws {
        let matrix = try NormalFloat(
            codes: Array(repeating: -1, count: 6), scales: NormalFloat.QuantizedScales([1, 0.5]),
            shape: MatrixShape(rows: 2, columns: 3), groupSize: 3)
        #expect(matrix.dense().elements == [0, 0, 0, 0, 0, 0])
    }

    @Test func codesAndScalesBelongToTheirGroups() throws {
        let matrix = try NormalFloat(
            codes: [7, -8, -1, 7, -8, 3], scales: NormalFloat.QuantizedScales([2, 1, 4, 0.5]),
            shape: MatrixShape(rows: 2, columns: 3), groupSize: 2)
        // The smallest and the largest scale are exact, those between within half a step of 3.5 / 255.
        let dense = matrix.dense().elements
        #expect(dense[3] == 4 && dense[4] == -4 && dense[5] == 0.5 * NormalFloat.levels[11])
        #expect(abs(dense[0] - 2) <= 0.0069 + 0.001 && dense[1] == -dense[0] && dense[2] == 0)
        #expect(matrix.codes.withBytes(Array.init) == [0x0F, 0x07, 0x0F, 0x0B])
        #expect(matrix.cost == Cost(parameters: 6 + 4 + 1 + 1, storedBytes: 4 + 4 + 8, multiplyAdds: 6))
    }

    @Test func quantizingScalesHardlyChangesThem() {
        var generator = SeededGenerator(seed: 1)
        // Largest magnitudes of 64 normal numbers, as scales of real groups are.
        let scales = (0..<2000).map { _ in (0..<64).map { _ in Float(abs(generator.nextNormal())) }.max() ?? 0 }
        let values = NormalFloat.QuantizedScales(scales).values
        let changes = zip(scales, values).map { abs($0 - $1) / $0 }
        #expect(changes.reduce(0, +) / 2000 < 0.005)
        #expect((changes.max() ?? 1) < 0.01)
        #expect(NormalFloat.QuantizedScales([]).values.isEmpty)
        #expect(NormalFloat.QuantizedScales([0, 0]).values == [0, 0])
    }

    @Test func storedAndReadBack() throws {
        var generator = SeededGenerator(seed: 2)
        let shape = MatrixShape(rows: 40, columns: 70)
        let matrix = try NormalFloat(
            codes: (0..<shape.count).map { _ in Int8(Int.random(in: -8...7, using: &generator)) },
            scales: NormalFloat.QuantizedScales((0..<40 * 9).map { _ in Float(generator.nextUniform()) }), shape: shape,
            groupSize: 8)
        let tensors = try matrix.tensors
        #expect(tensors.map(\.name) == ["codes", "scales", "steps", "smallest"])
        #expect(tensors[2].tensor.shape == [2])
        let read = try NormalFloat(shape: shape, tensors: TensorLookup(tensors), attributes: matrix.attributes)
        #expect(read.dense() == matrix.dense())
        #expect(throws: StructuredMatrixError.missingTensor(file: "memory", tensor: "matrix.steps")) {
            try NormalFloat(
                shape: shape, tensors: TensorLookup(tensors.filter { $0.name != "steps" }), attributes: matrix.attributes)
        }
        #expect(throws: StructuredMatrixError.self) {
            try NormalFloat(
                shape: shape, tensors: TensorLookup(tensors), attributes: FamilyAttributes(["groupSize": 0]))
        }
    }

    @Test func wrongCountsAndCodesAreRefused() {
        let shape = MatrixShape(rows: 1, columns: 2)
        func message(_ codes: [Int8], _ scales: [Float], groupSize: Int = 2) -> String {
            do {
                return
                    "\(try NormalFloat(codes: codes, scales: NormalFloat.QuantizedScales(scales), shape: shape, groupSize: groupSize).shape)"
            } catch { return "\(error)" }
        }
        let prefix = "nf4 cannot represent a 1 x 2 matrix: "
        #expect(message([0, 1], [1]) == "1 x 2")
        #expect(message([0], [1]) == prefix + "it needs 2 codes, got 1")
        #expect(message([0, 1], [1, 1]) == prefix + "it needs 1 scales, got 2")
        #expect(message([0, 8], [1]) == prefix + "code 8 does not fit 4 bits")
        #expect(message([0, 1], [1], groupSize: 0) == prefix + "groups must have at least one weight, got 0")
    }
}
