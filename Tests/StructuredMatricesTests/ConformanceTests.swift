import StructuredMatrices
import Tensors
import Testing

/// The laws every family obeys.
@Suite struct ConformanceTests {
    static let batches = [1, 3, 64]

    @Test func everyFamilyHasInstances() {
        let specimens = Specimen.all.map { $0.family.family.name }
        #expect(Set(specimens) == Set(Families.names))
        #expect(specimens.count == Families.names.count)
        for name in specimens {
            for precision in Precision.allCases {
                let count = Specimen.instances.count {
                    $0.matrix.family.name == name && $0.precision == precision
                }
                #expect(count >= Specimen.shapes.count / 2, "\(name) \(precision)")
            }
            #expect(Specimen.large.count { $0.matrix.family.name == name } == 2)
        }
    }

    @Test func namesAreDistinctAndFound() throws {
        #expect(Set(Families.names).count == Families.all.count)
        for type in Families.all {
            #expect(try Families.type(named: type.family.name, matrix: "m").family == type.family)
            #expect(!type.family.summary.isEmpty && !type.family.source.isEmpty)
        }
    }

    @Test(arguments: Specimen.instances)
    func applyIsTheDenseProduct(_ instance: Instance) throws {
        let (matrix, dense) = (instance.matrix, instance.matrix.dense())
        #expect(MatrixShape(rows: dense.rows, columns: dense.columns) == matrix.shape)
        for batch in Self.batches {
            let x = instance.random(rows: batch, columns: matrix.shape.columns)
            #expect(try matrix.multiply(x).largestError(dense.reference(x)) < 2e-5)
            let y = instance.random(rows: batch, columns: matrix.shape.rows)
            let back = try matrix.multiplyTransposed(y)
            #expect(back.largestError(dense.transposed().reference(y)) < 2e-5)
        }
    }

    /// <W x, y> = <x, W^T y>, without the dense form.
    @Test(arguments: Specimen.instances)
    func transposeIsTheAdjoint(_ instance: Instance) throws {
        let x = instance.random(rows: 3, columns: instance.matrix.shape.columns)
        let y = instance.random(rows: 3, columns: instance.matrix.shape.rows, seed: 2)
        let (wx, wty) = (try instance.matrix.multiply(x), try instance.matrix.multiplyTransposed(y))
        var (left, right, size) = (0.0, 0.0, 0.0)
        for (a, b) in zip(wx.elements, y.elements) { left += Double(a) * Double(b) }
        for (a, b) in zip(x.elements, wty.elements) { right += Double(a) * Double(b) }
        for matrix in [wx, wty, x, y] { size += matrix.squaredNorm }
        #expect(abs(left - right) <= 1e-5 * size)
    }

    @Test(arguments: Specimen.instances)
    func stridedViewsAreReadAndWrittenInPlace(_ instance: Instance) throws {
        let shape = instance.matrix.shape
        for batch in [1, 5] {
            let x = instance.random(rows: batch, columns: shape.columns)
            let y = instance.random(rows: batch, columns: shape.rows)
            let forward = Self.padded(x, outputColumns: shape.rows) {
                instance.matrix.apply($0, into: $1, context: .serial)
            }
            let backward = Self.padded(y, outputColumns: shape.columns) {
                instance.matrix.applyTransposed($0, into: $1, context: .serial)
            }
            #expect(forward?.bits == (try instance.matrix.multiply(x).bits))
            #expect(backward?.bits == (try instance.matrix.multiplyTransposed(y).bits))
        }
    }

    /// Runs `body` on views inside wider matrices; nil when anything outside the output view changed.
    private static func padded(
        _ input: Matrix, outputColumns: Int, _ body: (MatrixView, MutableMatrixView) -> Void
    ) -> Matrix? {
        var wideInput = Matrix(rows: input.rows + 2, columns: input.columns + 3, repeating: .nan)
        wideInput.setBlock(input, row: 1, column: 2)
        // A NaN that survives in the view shows that it was added to instead of overwritten.
        var wideOutput = Matrix(rows: input.rows + 2, columns: outputColumns + 5, repeating: .nan)
        wideOutput.withMutableView { output in
            wideInput.withView { input in
                body(
                    input.block(rows: 1..<input.rows - 1, columns: 2..<input.columns - 1),
                    output.block(rows: 1..<output.rows - 1, columns: 4..<output.columns - 1))
            }
        }
        let result = wideOutput.block(rows: 1..<input.rows + 1, columns: 4..<4 + outputColumns)
        wideOutput.setBlock(
            Matrix(rows: input.rows, columns: outputColumns, repeating: .nan), row: 1, column: 4)
        return wideOutput.elements.allSatisfy(\.isNaN) ? result : nil
    }

    @Test(arguments: Specimen.instances)
    func gatherGivesRowsOfTheDenseForm(_ instance: Instance) {
        let rows = instance.matrix.shape.rows
        let wanted = [rows - 1, 0, rows / 2, 0]
        let dense = instance.matrix.dense()
        let expected = Matrix(rows: wanted.count, columns: dense.columns) { dense[wanted[$0], $1] }
        let gathered = instance.matrix.gather(rows: wanted)
        #expect(gathered.rows == wanted.count && gathered.columns == dense.columns)
        #expect((gathered - expected).squaredNorm <= 1e-11 * expected.squaredNorm)
        #expect(instance.matrix.gather(rows: []).rows == 0)
    }

    @Test(arguments: Specimen.instances)
    func gradientsMatchDifferences(_ instance: Instance) throws {
        guard instance.precision == .f32, let matrix = instance.matrix as? any DifferentiableMatrix else {
            return
        }
        let direction = instance.random(rows: matrix.shape.rows, columns: matrix.shape.columns)
        let gradients = matrix.factorGradients(direction)
        #expect(gradients.map(\.count) == matrix.factors.map(\.values.count))
        #expect(matrix.factors.map(\.values.count).reduce(0, +) == matrix.cost.parameters)

        func loss(_ values: [[Float]]) -> Double {
            zip(matrix.replacingFactors(values).dense().elements, direction.elements)
                .reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        var generator = SeededGenerator(seed: 3)
        let values = matrix.factors.map(\.values)
        let size = (matrix.dense().squaredNorm * direction.squaredNorm).squareRoot()
        for factor in values.indices {
            for _ in 0..<8 {
                let index = generator.nextInteger(below: values[factor].count)
                var (above, below) = (values, values)
                // Every family is linear in each factor entry, so a large step is exact but for rounding.
                above[factor][index] += 1
                below[factor][index] -= 1
                let difference = (loss(above) - loss(below)) / 2
                #expect(abs(difference - Double(gradients[factor][index])) <= 1e-5 * size)
            }
        }
    }

    @Test(arguments: Specimen.large)
    func threadsDoNotChangeBits(_ instance: Instance) throws {
        for batch in [1, 3, 64, 150, 300] {
            let x = instance.random(rows: batch, columns: instance.matrix.shape.columns)
            let y = instance.random(rows: batch, columns: instance.matrix.shape.rows)
            let forward = try instance.matrix.multiply(x, context: .serial).bits
            let backward = try instance.matrix.multiplyTransposed(y, context: .serial).bits
            for threads in [2, 5] {
                let context = ExecutionContext(threads: threads)
                #expect(try instance.matrix.multiply(x, context: context).bits == forward)
                #expect(try instance.matrix.multiplyTransposed(y, context: context).bits == backward)
            }
        }
    }

    /// Batches cut into pieces: rows from both ends of every piece, so that the reference stays cheap.
    @Test(arguments: Specimen.large)
    func largeProductsAreTheDenseProduct(_ instance: Instance) throws {
        func picked(_ matrix: Matrix) -> Matrix {
            let rows = [0, 63, 64, 127, 128, 149]
            return Matrix(rows: rows.count, columns: matrix.columns) { matrix[rows[$0], $1] }
        }
        let dense = instance.matrix.dense()
        let x = instance.random(rows: 150, columns: dense.columns)
        #expect(picked(try instance.matrix.multiply(x)).largestError(dense.reference(picked(x))) < 2e-5)
        let y = instance.random(rows: 150, columns: dense.rows)
        let back = picked(try instance.matrix.multiplyTransposed(y))
        #expect(back.largestError(dense.transposed().reference(picked(y))) < 2e-5)
    }

    @Test(
        arguments: Specimen.all.flatMap { $0.instances(MatrixShape(rows: 12, columns: 12), .f32).prefix(1) })
    func wrongInputWidthsAreRefused(_ instance: Instance) {
        let error = StructuredMatrixError.inputMismatch(
            shape: instance.matrix.shape, expectedColumns: 12, gotColumns: 13)
        #expect(error.description == "a 12 x 12 matrix takes inputs of 12 features, got 13")
        let input = Matrix(rows: 2, columns: 13)
        #expect(throws: error) { try instance.matrix.multiply(input) }
        #expect(throws: error) { try instance.matrix.multiplyTransposed(input) }
    }
}
