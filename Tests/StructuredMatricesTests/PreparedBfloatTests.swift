import StructuredMatrices
import Tensors
import Testing

/// Prepared products whose inputs may be rounded to bf16, for every family of bf16 factors.
@Suite struct PreparedBfloatTests {
    private static let small = Specimen.instances.filter { $0.precision == .bf16 && rounds($0.matrix) }
    private static let large = Specimen.all.flatMap { specimen in
        specimen.instances(MatrixShape(rows: 480, columns: 720), .bf16).filter { rounds($0.matrix) }.suffix(1)
    }

    /// The families whose products go through packed matrices of their factors' precision.
    private static func rounds(_ matrix: any StructuredMatrix) -> Bool {
        let names = ["dense", "low-rank", "block-diagonal", "block-shuffle", "block-dense", "monarch", "blast"]
        return names.contains(matrix.family.name)
    }

    @Test func everyFamilyIsThere() {
        #expect(Set(Self.small.map { $0.matrix.family.name }).count == 7)
        #expect(Self.large.count == 7)
    }

    /// Each stage moves its inputs by at most 2^-8 of themselves (2^-9 and what follows from the stage before); three
    /// stages of random signs stay far below the sum of it all.
    @Test(arguments: [ActivationRounding.bf16, .int8])
    func resultsStayNearTheDenseProduct(activations: ActivationRounding) {
        for instance in Self.small {
            let prepared = instance.matrix.prepared(PreparationOptions(activations: activations))
            let dense = instance.matrix.dense()
            for batch in [1, 3, 17] {
                let x = instance.random(rows: batch, columns: dense.columns)
                let error = PreparedCodesTests.product(prepared, x, threads: 2).largestError(dense.reference(x))
                #expect(error < 0.03, "\(instance.name), batch \(batch)")
            }
        }
    }

    /// Dense weights: half a unit of 8 bits for every input.
    @Test func denseProductsKeepTheirBound() {
        for instance in Self.large where instance.matrix is Dense {
            let prepared = instance.matrix.prepared(PreparationOptions(activations: .bf16))
            let dense = instance.matrix.dense(), x = instance.random(rows: 20, columns: 720)
            let y = PreparedCodesTests.product(prepared, x, threads: 2), exact = dense.reference(x)
            for index in y.elements.indices {
                let error = abs(Double(y.elements[index]) - exact.product.elements[index])
                #expect(error <= (0x1p-8 + 720 * 0x1p-24) * exact.magnitude.elements[index])
            }
        }
    }

    /// Inputs that bf16 holds are not changed: only the order of the sums differs.
    @Test func inputsOfBfloatAreKept() {
        for instance in Self.large where instance.matrix is Dense {
            let prepared = instance.matrix.prepared(PreparationOptions(activations: .bf16))
            let x = Matrix(rows: 9, columns: 720) { Float(($0 * 31 + $1 * 17) % 255 - 127) / 128 }
            let error = PreparedCodesTests.product(prepared, x, threads: 1)
                .largestError(instance.matrix.dense().reference(x))
            #expect(error < 3e-6)
        }
    }

    @Test func rowsDependOnNothingAroundThem() {
        for instance in Self.large {
            let prepared = instance.matrix.prepared(PreparationOptions(activations: .bf16))
            let x = instance.random(rows: 300, columns: 720)
            let whole = PreparedCodesTests.product(prepared, x, threads: 1).bits
            for threads in [1, 2, 3] {
                for batch in [1, 2, 5, 70, 300] {
                    let part = Matrix(rows: batch, columns: 720, elements: Array(x.elements[0..<batch * 720]))
                    let same = PreparedCodesTests.product(prepared, part, threads: threads).bits.elementsEqual(
                        whole[0..<batch * 480])
                    #expect(same, "\(instance.name), \(threads) threads, batch \(batch)")
                }
            }
        }
    }

    /// Other precisions are multiplied as they are, whatever is allowed.
    @Test func otherPrecisionsAreNotRounded() {
        for precision in [Precision.f32, .f16] {
            var generator = SeededGenerator(seed: 9, stream: "x")
            let matrix = Dense(Matrix.random(rows: 70, columns: 90, using: &generator), precision: precision)
            let x = Matrix.random(rows: 4, columns: 90, using: &generator)
            let allowed = matrix.prepared(PreparationOptions(activations: .bf16))
            let exact = matrix.prepared(PreparationOptions())
            #expect(
                PreparedCodesTests.product(allowed, x, threads: 1).bits
                    == PreparedCodesTests.product(exact, x, threads: 1).bits)
        }
    }
}
