import StructuredMatrices
import Tensors
import Testing

/// Prepared products with small integers, beyond the laws of all families: rounding of activations, odd groups.
@Suite struct PreparedCodesTests {
    static func product(_ prepared: any PreparedProduct, _ x: Matrix, threads: Int) -> Matrix {
        var result = Matrix(rows: x.rows, columns: prepared.shape.rows) { _, _ in .nan }
        let scratch = UnsafeMutablePointer<Float>.allocate(capacity: prepared.scratchFloats(batch: x.rows) + 1)
        defer { scratch.deallocate() }
        nonisolated(unsafe) let memory = scratch
        x.withView { x in
            result.withMutableView { y in
                ExecutionContext(threads: threads).team { prepared.apply(x, into: y, scratch: memory, worker: $0) }
            }
        }
        return result
    }

    static func quantized(_ rows: Int, _ columns: Int, bits: Int, groupSize: Int) throws -> Quantized {
        var generator = SeededGenerator(seed: 3, stream: "\(rows) \(columns) \(bits) \(groupSize)")
        let range = Quantized.range(bits: bits)
        return try Quantized(
            codes: (0..<rows * columns).map { _ in Int8(Int.random(in: range, using: &generator)) },
            scales: (0..<rows * ((columns + groupSize - 1) / groupSize)).map { _ in
                Float(generator.nextUniform() + 0.1)
            },
            shape: MatrixShape(rows: rows, columns: columns), bits: bits, groupSize: groupSize)
    }

    /// Without and with zero points.
    static func matrices(_ shape: (Int, Int, Int), bits: Int) throws -> [any StructuredMatrix] {
        var generator = SeededGenerator(seed: 6, stream: "\(shape) \(bits)")
        return [
            try quantized(shape.0, shape.1, bits: bits, groupSize: shape.2),
            try Specimen.asymmetric(
                MatrixShape(rows: shape.0, columns: shape.1), bits: bits, groupSize: shape.2, &generator),
        ]
    }

    static let shapes = [
        (70, 100, 32), (64, 256, 128), (129, 385, 64), (33, 320, 160), (50, 90, 1000), (16, 200, 96), (20, 48, 16),
    ]

    @Test(arguments: Quantized.supportedBits, shapes)
    func exactActivationsGiveTheDenseProduct(bits: Int, shape: (Int, Int, Int)) throws {
        for matrix in try Self.matrices(shape, bits: bits) {
            let prepared = matrix.prepared(PreparationOptions())
            var generator = SeededGenerator(seed: 4, stream: "x")
            for batch in [1, 7, 30] {
                let x = Matrix.random(rows: batch, columns: shape.1, using: &generator)
                #expect(Self.product(prepared, x, threads: 2).largestError(matrix.dense().reference(x)) < 1e-5)
            }
        }
    }

    /// Rounding moves x by at most half a step of its group (plus the rounding of the step itself), so y by at most
    /// that much of the group's |W|.
    static func bound(_ w: Matrix, _ x: Matrix, row: Int, output: Int, groupSize: Int) -> Double {
        var total = 0.0
        for first in stride(from: 0, to: x.columns, by: groupSize) {
            let columns = first..<min(x.columns, first + groupSize)
            let largest = columns.map { abs(Double(x[row, $0])) }.max() ?? 0
            let weight = columns.reduce(0.0) { $0 + abs(Double(w[output, $1])) }
            let magnitude = columns.reduce(0.0) { $0 + abs(Double(w[output, $1]) * Double(x[row, $1])) }
            total += largest / 127 * 0.5001 * weight + 1e-5 * magnitude
        }
        return total
    }

    /// Zeros, a single one, and one input beside which the others vanish.
    static func adversarial(columns: Int) -> Matrix {
        Matrix(rows: 9, columns: columns) { row, column in
            switch row {
            case 0: 0
            case 1...3: column == row * 31 % columns ? 1 : 0
            case 4: column == 5 ? 1e4 : 0.01
            case 5: column % 2 == 0 ? 1 : -1
            default: Float((column * 37 + row * 11) % 101 - 50) / 50
            }
        }
    }

    @Test(arguments: Quantized.supportedBits, shapes)
    func roundedActivationsStayWithinTheBound(bits: Int, shape: (Int, Int, Int)) throws {
        for matrix in try Self.matrices(shape, bits: bits) { checkRounding(matrix, shape, bits: bits) }
    }

    private func checkRounding(_ matrix: any StructuredMatrix, _ shape: (Int, Int, Int), bits: Int) {
        let prepared = matrix.prepared(PreparationOptions(activations: .int8))
        let w = matrix.dense(), x = Self.adversarial(columns: shape.1)
        let y = Self.product(prepared, x, threads: 2), exact = w.reference(x).product
        // Panels have groups of at most 128 columns, and of no more than the matrix's own unless that is a whole row.
        let groupSize = shape.2 == 160 ? 32 : min(128, shape.2)
        for row in 0..<x.rows {
            for output in 0..<w.rows {
                let bound = Self.bound(w, x, row: row, output: output, groupSize: groupSize)
                #expect(abs(Double(y[row, output]) - exact[row, output]) <= bound, "row \(row), output \(output)")
            }
        }
        // A single input of a group is at the end of its scale: it comes through whole. Codes and zero points are added up
        // apart, so that their sum is as exact as they are large: up to 2^bits steps.
        let isSymmetric = matrix is Quantized
        for row in 1...3 {
            for output in 0..<w.rows {
                let size = isSymmetric ? abs(exact[row, output]) : Double(1.2 * Float(1 << bits))
                #expect(abs(Double(y[row, output]) - exact[row, output]) <= 1e-6 * size)
            }
        }
    }

    @Test(arguments: ActivationRounding.allCases)
    func rowsDependOnNothingAroundThem(activations: ActivationRounding) throws {
        for (rows, columns, groupSize, hasZeros) in [
            (480, 720, 32, false), (200, 1500, 128, false), (64, 4000, 64, false), (480, 720, 64, true),
            (64, 4000, 128, true),
        ] {
            let matrix = try Self.matrices((rows, columns, groupSize), bits: 4)[hasZeros ? 1 : 0]
            let prepared = matrix.prepared(PreparationOptions(activations: activations))
            var generator = SeededGenerator(seed: 5, stream: "x")
            let x = Matrix.random(rows: 300, columns: columns, using: &generator)
            let whole = Self.product(prepared, x, threads: 1).bits
            for threads in [1, 2, 3] {
                for batch in [1, 2, 5, 70, 300] {
                    let part = Matrix(
                        rows: batch, columns: columns, elements: Array(x.elements[0..<batch * columns]))
                    let same = Self.product(prepared, part, threads: threads).bits.elementsEqual(
                        whole[0..<batch * rows])
                    #expect(same, "\(rows) x \(columns), \(threads) threads, batch \(batch)")
                }
            }
        }
    }

    /// What is not finite must not be rounded away.
    @Test func infinitiesAndNaNsShow() throws {
        let matrix = try Self.quantized(70, 96, bits: 4, groupSize: 32)
        let prepared = matrix.prepared(PreparationOptions(activations: .int8))
        for bad: Float in [.infinity, .nan] {
            let x = Matrix(rows: 3, columns: 96) { $0 == 1 && $1 == 40 ? bad : 1 }
            let y = Self.product(prepared, x, threads: 1)
            for row in 0..<3 {
                for output in 0..<70 { #expect(y[row, output].isNaN == (row == 1)) }
            }
        }
    }

    /// Codes, a binary16 scale a group, rows padded to 16 and columns to whole groups.
    @Test func bytesAreThoseOfThePanels() throws {
        func bytes(bits: Int, groupSize: Int) throws -> Int {
            try Self.quantized(100, 200, bits: bits, groupSize: groupSize).prepared(PreparationOptions()).byteCount
        }
        #expect(try bytes(bits: 8, groupSize: 32) == 112 * 7 * (32 + 2))
        #expect(try bytes(bits: 4, groupSize: 64) == 112 * 4 * (32 + 2))
        #expect(try bytes(bits: 3, groupSize: 32) == 112 * 7 * (16 + 2))
        #expect(try bytes(bits: 2, groupSize: 128) == 112 * 2 * (32 + 2))
        #expect(try bytes(bits: 5, groupSize: 32) == 112 * 7 * (32 + 2))
        let zeros = try Self.matrices((100, 200, 64), bits: 4)[1].prepared(PreparationOptions())
        #expect(zeros.byteCount == 112 * 4 * (32 + 2 + 4))
    }
}
