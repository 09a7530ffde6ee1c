import StructuredMatrices
import Tensors
import Testing

@Suite struct AsymmetricQuantizedTests {
    /// Zero points in units of 2^(bits - 8): 32 of them are half a step of 2 bits.
    @Test func zeroPointsMoveTheirGroups() throws {
        let matrix = try AsymmetricQuantized(
            codes: [-2, -1, 0, 1, 1, 0], scales: [2, 4, 0.5, 1], zeros: [-32, 0, 64, -128],
            shape: MatrixShape(rows: 2, columns: 3), bits: 2, groupSize: 2)
        #expect(matrix.dense().elements == [-3, -1, 0, 0, 0, 2])
        #expect(matrix.gather(rows: [1]).elements == [0, 0, 2])
        #expect(matrix.cost == Cost(parameters: 14, storedBytes: 2 + 12, multiplyAdds: 10))
    }

    /// 8-bit zero points are whole steps; the same numbers as without zero points, moved.
    @Test(arguments: Quantized.supportedBits)
    func withoutZeroPointsItIsTheSymmetricFamily(bits: Int) throws {
        var generator = SeededGenerator(seed: 1)
        let shape = MatrixShape(rows: 5, columns: 40)
        let range = Quantized.range(bits: bits)
        let codes = (0..<shape.count).map { _ in Int8(Int.random(in: range, using: &generator)) }
        let scales = (0..<15).map { _ in Float(generator.nextUniform()) }
        let symmetric = try Quantized(codes: codes, scales: scales, shape: shape, bits: bits, groupSize: 16)
        func moved(_ zero: Int8) throws -> Matrix {
            try AsymmetricQuantized(
                codes: codes, scales: scales, zeros: Array(repeating: zero, count: 15), shape: shape, bits: bits,
                groupSize: 16
            ).dense()
        }
        #expect(try moved(0) == symmetric.dense())
        let unit = Float(1 << bits) / 256
        let difference = try symmetric.dense() - moved(1)
        for index in 0..<shape.count {
            let scale = Precision.f16.rounded(scales[index / 40 * 3 + index % 40 / 16])
            #expect(abs(difference.elements[index] - scale * unit) <= 1e-6 * scale * 256)
        }
    }

    @Test func storedAndReadBack() throws {
        let matrix = try AsymmetricQuantized(
            codes: [-4, 3, 0, 1, -1, 2], scales: [1, 2], zeros: [-128, 127], shape: MatrixShape(rows: 2, columns: 3),
            bits: 3, groupSize: 4)
        let tensors = try matrix.tensors
        #expect(tensors.map(\.name) == ["codes", "scales", "zeros"])
        #expect(tensors[2].tensor.elementType == .i8)
        #expect(tensors[2].tensor.withBytes(Array.init) == [128, 127])
        let read = try AsymmetricQuantized(
            shape: matrix.shape, tensors: TensorLookup(tensors), attributes: matrix.attributes)
        #expect(read.dense() == matrix.dense())
        #expect(read.zeros == [-128, 127])
    }

    @Test func wrongCountsAreRefused() {
        let shape = MatrixShape(rows: 2, columns: 3)
        func message(scales: Int, zeros: Int, bits: Int = 4) -> String {
            do {
                return
                    "\(try AsymmetricQuantized(codes: Array(repeating: 0, count: 6), scales: Array(repeating: 1, count: scales), zeros: Array(repeating: 0, count: zeros), shape: shape, bits: bits, groupSize: 2).shape)"
            } catch { return "\(error)" }
        }
        let prefix = "quantized-asymmetric cannot represent a 2 x 3 matrix: "
        #expect(message(scales: 4, zeros: 4) == "2 x 3")
        #expect(message(scales: 3, zeros: 4) == prefix + "it needs 4 scales, got 3")
        #expect(message(scales: 4, zeros: 5) == prefix + "it needs 4 zero points, got 5")
        #expect(message(scales: 4, zeros: 4, bits: 1) == prefix + "bits must be 2, 3, 4, 5, 6 or 8, got 1")
    }

    @Test func hostileFilesAreTypedErrors() throws {
        let matrix = try AsymmetricQuantized(
            codes: [0, 1], scales: [1], zeros: [3], shape: MatrixShape(rows: 1, columns: 2), bits: 4, groupSize: 2)
        let tensors = try matrix.tensors
        func read(_ tensors: [(name: String, tensor: Tensor)], _ attributes: [String: Int]) throws -> AsymmetricQuantized {
            try AsymmetricQuantized(
                shape: matrix.shape, tensors: TensorLookup(tensors), attributes: FamilyAttributes(attributes))
        }
        #expect(throws: StructuredMatrixError.missingTensor(file: "memory", tensor: "matrix.zeros")) {
            try read(Array(tensors.prefix(2)), ["bits": 4, "groupSize": 2])
        }
        #expect(throws: StructuredMatrixError.self) { try read(tensors, ["bits": 7, "groupSize": 2]) }
        #expect(throws: StructuredMatrixError.self) { try read(tensors, ["bits": 4, "groupSize": 0]) }
        #expect(throws: StructuredMatrixError.self) { try read(tensors, ["bits": 4, "groupSize": 1]) }
        #expect(throws: StructuredMatrixError.missingAttribute(matrix: "matrix", attribute: "bits")) {
            try read(tensors, ["groupSize": 2])
        }
    }
}
