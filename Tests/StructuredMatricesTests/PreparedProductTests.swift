import StructuredMatrices
import Tensors
import Testing

/// Laws of prepared products, for every family.
@Suite struct PreparedProductTests {
    static let batches = [1, 2, 5, 15, 16, 17, 20, 70, 300]

    private func product(
        _ prepared: any PreparedProduct, _ x: Matrix, threads: Int
    ) -> Matrix {
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

    /// Models cut their tokens into batches by the number of threads; what they compute must not depend on it.
    @Test(arguments: Specimen.large)
    func bitsDoNotDependOnTheBatch(instance: Instance) {
        let x = instance.random(rows: 150, columns: instance.matrix.shape.columns)
        let packed = instance.matrix.prepared(PreparationOptions(activations: .none))
        // Packed sparse products have kernels of their own for few rows, which a batch of tokens never is.
        for (prepared, first) in [(UnpackedProduct(instance.matrix), 1), (packed, 40)] {
            let whole = product(prepared, x, threads: 1)
            for rows in [0..<first, first..<80, 80..<150] {
                let part = product(prepared, x.block(rows: rows, columns: 0..<x.columns), threads: 1)
                let isSame = part.bits == whole.block(rows: rows, columns: 0..<whole.columns).bits
                #expect(isSame, "\(rows)")
            }
        }
    }

    /// The same of rows that are looked up.
    @Test(arguments: Specimen.large)
    func gatheredBitsDoNotDependOnTheBatch(instance: Instance) {
        let rows = (0..<150).map { ($0 * 37 + 5) % instance.matrix.shape.rows }
        let whole = instance.matrix.gatherInBatches(rows: rows)
        for part in [0..<1, 1..<41, 41..<111, 111..<150] {
            let found = instance.matrix.gatherInBatches(rows: Array(rows[part]))
            let isSame = found.bits == whole.block(rows: part, columns: 0..<whole.columns).bits
            #expect(isSame, "\(part)")
        }
    }

    @Test(arguments: Specimen.instances)
    func preparedEqualsDense(instance: Instance) {
        let prepared = instance.matrix.prepared(PreparationOptions())
        #expect(prepared.shape == instance.matrix.shape)
        let dense = instance.matrix.dense()
        for batch in [1, 3, 17] {
            let x = instance.random(rows: batch, columns: dense.columns)
            let error = product(prepared, x, threads: 1).largestError(dense.reference(x))
            #expect(error < 2e-5, "batch \(batch)")
        }
    }

    /// What `rowsPerMember` promises: a member's own columns are there when it returns, with no barrier.
    @Test func rowsOfAMemberAreItsOwn() throws {
        var generator = SeededGenerator(seed: 1)
        let weight = Matrix.random(rows: 128, columns: 96, using: &generator)
        let x = Matrix.random(rows: 1, columns: 96, using: &generator)
        let product = Dense(weight).prepared(PreparationOptions())
        #expect(product.rowsPerMember(batch: 1, members: 1) == 128)
        #expect(product.rowsPerMember(batch: 1, members: 2) == 64)
        #expect(product.rowsPerMember(batch: 1, members: 3) == nil)
        let odd = Dense(weight.block(rows: 0..<120, columns: 0..<96)).prepared(PreparationOptions())
        #expect(odd.rowsPerMember(batch: 1, members: 2) == nil)
        let expected = self.product(product, x, threads: 1)
        nonisolated(unsafe) let memory = UnsafeMutablePointer<Float>.allocate(capacity: 1)
        defer { memory.deallocate() }
        #expect(product.scratchFloats(batch: 1) == 0)
        for member in 0..<2 {
            var result = Matrix(rows: 1, columns: 128) { _, _ in .nan }
            x.withView { x in
                result.withMutableView { y in
                    ExecutionContext(threads: 2).team { worker in
                        guard worker.index == member || worker.count == 1 else { return }
                        product.finish(x, into: y, scratch: memory, worker: worker)
                    }
                }
            }
            let own = member * 64..<(member + 1) * 64
            #expect(Array(result.elements[own]) == Array(expected.elements[own]), "member \(member)")
        }
    }

    /// With compressed rows in them, which are summed in one order in small batches and in another one in large ones.
    static let summedInTwoOrders: Set = ["nm-sparse", "csr", "sum", "product", "permuted"]

    @Test(arguments: Specimen.large)
    func rowsDependOnNothingAroundThem(instance: Instance) {
        let prepared = instance.matrix.prepared(PreparationOptions())
        let x = instance.random(rows: 300, columns: instance.matrix.shape.columns)
        func rows(_ range: Range<Int>) -> Matrix { x.block(rows: range, columns: 0..<x.columns) }
        let whole = product(prepared, x, threads: 1)
        let alone = (0..<20).flatMap { product(prepared, rows($0..<$0 + 1), threads: 1).bits }
        let mayDiffer = Self.summedInTwoOrders.contains(instance.matrix.family.name)
        for threads in [1, 2, 3] {
            for batch in Self.batches {
                let bits = product(prepared, rows(0..<batch), threads: threads).bits
                let same = bits.elementsEqual(whole.bits[0..<batch * whole.columns])
                let sameAsAlone = batch <= 20 && bits.elementsEqual(alone[0..<batch * whole.columns])
                #expect(same || (mayDiffer && sameAsAlone), "\(threads) threads, batch \(batch)")
            }
        }
    }

    /// BLAST is multiplied whole up to 256 components and in slices above.
    @Test(arguments: Precision.allCases, [256, 257, 300])
    func componentsInSlices(precision: Precision, rank: Int) {
        var generator = SeededGenerator(seed: 8, stream: "\(precision) \(rank)")
        let matrix = BLAST(
            u: .random([3, 20, rank], precision, &generator), s: .random([3, 3, rank], precision, &generator),
            v: .random([3, 30, rank], precision, &generator))
        let prepared = matrix.prepared(PreparationOptions())
        let dense = matrix.dense()
        let x = Matrix.random(rows: 100, columns: 90, using: &generator)
        let alone = product(prepared, x, threads: 1)
        #expect(alone.largestError(dense.reference(x)) < 2e-5)
        #expect(product(prepared, x, threads: 3).bits.elementsEqual(alone.bits))
    }

    /// Both forms of a pre-merged matrix are the matrix, each on its side of the threshold.
    @Test func premergedFormsAgree() {
        var generator = SeededGenerator(seed: 1)
        let matrices: [any StructuredMatrix] = [
            BlockShuffle(
                first: .random([4, 12, 16], .f32, &generator), second: .random([4, 12, 12], .f32, &generator)),
            BlockDense(first: .random([4, 6, 16], .f32, &generator), second: .random([48, 24], .f32, &generator)),
        ]
        for matrix in matrices {
            let x = Matrix.random(rows: 40, columns: matrix.shape.columns, using: &generator)
            let premerged = PremergedProduct(matrix, largestMergedBatch: 16)
            let dense = Dense(matrix.dense()).prepared(PreparationOptions())
            let factored = matrix.prepared(PreparationOptions())
            for batch in [1, 16, 17, 40] {
                let part = Matrix(rows: batch, columns: x.columns, elements: Array(x.elements[0..<batch * x.columns]))
                let (result, merged) = (product(premerged, part, threads: 2), product(dense, part, threads: 2))
                let expected = batch <= 16 ? merged : product(factored, part, threads: 2)
                #expect(result.bits == expected.bits)
                #expect((result - merged).squaredNorm < 1e-10 * merged.squaredNorm)
            }
        }
    }

    @Test func emptyBatchDoesNothing() {
        for instance in Specimen.large {
            let x = Matrix(rows: 0, columns: instance.matrix.shape.columns)
            #expect(product(instance.matrix.prepared(PreparationOptions()), x, threads: 2).elements.isEmpty)
        }
    }
}
