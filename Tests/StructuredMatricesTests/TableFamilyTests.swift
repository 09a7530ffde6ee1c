import StructuredMatrices
import Tensors
import Testing

/// The families made for embedding tables, beyond the laws of every family.
@Suite struct TableFamilyTests {
    private func productQuantized(_ rows: Int, starts: [Int], columns: Int, centroids: Int) throws -> ProductQuantized {
        var generator = SeededGenerator(seed: 5)
        return try ProductQuantized(
            codes: (0..<rows * starts.count).map { _ in UInt16(generator.nextInteger(below: centroids)) },
            starts: starts, centroids: Factor(random(centroids, columns)), rows: rows)
    }

    // MARK: Product quantization

    @Test func rowsArePiecesOfCentroids() throws {
        let centroids = random(3, 5)
        let matrix = try ProductQuantized(
            codes: [2, 0, 1, 1], starts: [0, 2], centroids: Factor(centroids), rows: 2)
        let expected = Matrix(rows: 2, columns: 5) { row, column in
            centroids[row == 0 ? (column < 2 ? 2 : 0) : 1, column]
        }
        #expect(matrix.dense() == expected)
        #expect(matrix.attributes.values == ["centroids": 3, "subspaces": 2])
    }

    /// Documented bytes: codes of ceil(log2 K) bits, least significant first, rows on whole bytes.
    @Test func codesAreALittleEndianStream() throws {
        let matrix = try ProductQuantized(
            codes: [5, 3, 0, 4, 1, 2], starts: [0, 1, 2], centroids: Factor(random(6, 4)), rows: 2)
        let codes = try #require(try matrix.tensors.first { $0.name == "codes" }).tensor
        #expect(codes.shape == [2, 2])
        // 5 | 3 << 3 | 0 << 6, then 4 | 1 << 3 | 2 << 6.
        #expect(codes.withBytes(Array.init) == [0b0001_1101, 0, 0b1000_1100, 0])
        #expect(matrix.cost == Cost(parameters: 24, storedBytes: 4 + 96 + 6, multiplyAdds: 24 + 6))
    }

    @Test func codesTakeTheBitsThatCentroidsNeed() {
        for (count, bits) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8), (257, 9), (4096, 12), (65536, 16)] {
            #expect(ProductQuantized.bits(centroids: count) == bits)
        }
    }

    /// Sums of table entries against the dense product, and one row's bits whatever the batch around it.
    @Test func logitsFromTablesAreLogitsOfTheDenseHead() throws {
        for (centroids, starts) in [(256, Array(stride(from: 0, to: 96, by: 8))), (11, [0, 1, 40]), (4096, [0, 48])] {
            let head = try productQuantized(700, starts: starts, columns: 96, centroids: centroids)
            let dense = head.dense()
            let x = random(64, 96, seed: 3)
            let logits = try head.multiply(x)
            #expect(logits.largestError(dense.reference(x)) < 1e-5)
            for batch in [1, 2, 15, 16, 17, 63] {
                let part = Matrix(rows: batch, columns: 96) { x[$0, $1] }
                let scores = try head.multiply(part, context: ExecutionContext(threads: 2))
                #expect(scores.bits == Array(logits.bits.prefix(batch * 700)))
            }
        }
    }

    @Test func sizesThatDoNotFitAreRefused() throws {
        let centroids = Factor(random(3, 4))
        func made(_ codes: [UInt16], _ starts: [Int], rows: Int = 1) -> String {
            message { try ProductQuantized(codes: codes, starts: starts, centroids: centroids, rows: rows) }
        }
        let start = "product-quantized cannot represent a 1 x 4 matrix: "
        #expect(made([0, 1], [0, 2]) == "no error")
        #expect(made([0, 3], [0, 2]) == start + "there is no centroid 3")
        #expect(made([0], [0, 2]) == start + "it needs 2 codes, got 1")
        for starts in [[], [1], [0, 0], [0, 4], [0, 3, 2]] {
            #expect(made([UInt16](repeating: 0, count: starts.count), starts) == start + "sub-spaces must start at 0 and ascend below 4")
        }
    }

    @Test func hostileTensorsAreRefused() throws {
        let matrix = try productQuantized(4, starts: [0, 2], columns: 5, centroids: 5)
        func read(_ change: (inout [(name: String, tensor: Tensor)]) throws -> Void, _ attributes: [String: Int] = [:]) throws -> String {
            var tensors = try matrix.tensors
            try change(&tensors)
            return message {
                try ProductQuantized(
                    shape: matrix.shape, tensors: TensorLookup(tensors, matrix: "m"),
                    attributes: FamilyAttributes(
                        matrix.attributes.values.merging(attributes) { $1 }, matrix: "m"))
            }
        }
        #expect(try read { _ in } == "no error")
        #expect(
            try read { $0[0].tensor = try Tensor(elementType: .u8, shape: [4, 1], bytes: [0, 0, 0, 0b101]) }
                == "memory: tensor \"m.codes\": there is no centroid 5")
        #expect(
            try read { $0[2].tensor = try Tensor(elementType: .u16, shape: [2], bytes: [0, 0, 5, 0]) }
                == "memory: tensor \"m.starts\": expected numbers below 5, got 5")
        #expect(
            try read { $0[2].tensor = try Tensor(elementType: .u16, shape: [2], bytes: [0, 0, 0, 0]) }
                == "memory: tensor \"m.starts\": sub-spaces must start at 0 and ascend below 5")
        #expect(try read({ _ in }, ["subspaces": 6]) == "m: attribute 'subspaces': expected 1 to 5, got 6")
        #expect(try read({ _ in }, ["centroids": 1 << 20]) == "m: attribute 'centroids': expected 1 to 65536, got 1048576")
        #expect(try read({ _ in }, ["centroids": 9]).contains("m.centroids"))
    }

    // MARK: Blocks of rows

    @Test func blocksStandUponEachOther() throws {
        let (top, bottom) = (random(3, 4), random(2, 4, seed: 2))
        let blocks = try RowBlocks([Dense(top), Dense(bottom)])
        #expect(blocks.shape == MatrixShape(rows: 5, columns: 4))
        #expect(blocks.dense().elements == top.elements + bottom.elements)
        #expect(blocks.cost == Dense(top).cost + Dense(bottom).cost)
        #expect(blocks.gather(rows: [4, 0, 4]).elements == Array(bottom.row(1)) + Array(top.row(0)) + Array(bottom.row(1)))
        #expect(message { try RowBlocks([]) } == "row-blocks cannot represent a 0 x 0 matrix: it needs at least one block")
        #expect(
            message { try RowBlocks([Dense(top), Dense(random(2, 5))]) }
                == "row-blocks cannot represent a 5 x 4 matrix: a block is 2 x 5")
    }

    @Test func hostileBlocksAreRefused() throws {
        let blocks = try RowBlocks([Dense(random(3, 4)), Dense(random(2, 4))])
        let lookup = TensorLookup(try blocks.tensors, matrix: "layer")
        for rows in [[3, 3], [3], [5, Int.max], [-1, 6], [Int.max, Int.max]] {
            let parts = rows.map { MatrixDescription(family: "dense", shape: MatrixShape(rows: $0, columns: 4)) }
            let text = message {
                try MatrixDescription(family: "row-blocks", shape: blocks.shape, parts: parts)
                    .matrix(named: "layer", tensors: lookup)
            }
            #expect(text.hasPrefix("layer: parts of a 5 x 4 row-blocks: "), "\(text)")
        }
    }

    /// The whole form that compression gives a table: codes in two blocks, rows in another order, a basis.
    @Test func composedTablesComeBackAndPrepare() throws {
        let blocks = try RowBlocks([
            productQuantized(9, starts: [0, 4, 8], columns: 12, centroids: 7),
            productQuantized(21, starts: [0, 6], columns: 12, centroids: 16),
        ])
        let order = (0..<30).map { ($0 * 7) % 30 }
        let table = try MatrixProduct([PermutedMatrix(blocks, rowOrder: order), Dense(random(12, 12, seed: 8))])
        let again = try MatrixDescription(table).matrix(named: "m", tensors: TensorLookup(try table.tensors))
        #expect(again.dense() == table.dense() && again.cost == table.cost)
        let x = random(5, 12, seed: 9)
        let prepared = table.prepared(PreparationOptions())
        var y = Matrix(rows: 5, columns: 30, repeating: .nan)
        var scratch = [Float](repeating: .nan, count: max(1, prepared.scratchFloats(batch: 5)))
        y.withMutableView { y in
            x.withView { x in
                scratch.withUnsafeMutableBufferPointer { scratch in
                    let base = scratch.baseAddress.unsafelyUnwrapped
                    nonisolated(unsafe) let memory = base
                    WorkerPool.shared.run(members: 2) { prepared.apply(x, into: y, scratch: memory, worker: $0) }
                }
            }
        }
        #expect(y.largestError(table.dense().reference(x)) < 2e-5)
    }

    // MARK: Shared rows

    @Test func rowsNameRowsOfTheTable() throws {
        let table = random(2, 3)
        let shared = try SharedRows(Dense(table), rows: [1, 0, 1, 1])
        #expect(shared.dense() == Matrix(rows: 4, columns: 3) { table[[1, 0, 1, 1][$0], $1] })
        #expect(shared.cost == Dense(table).cost + Cost(parameters: 0, storedBytes: 8, multiplyAdds: 0))
        #expect(message { try SharedRows(Dense(table), rows: [0, 2]) } == "shared-rows cannot represent a 2 x 3 matrix: a 2 x 3 table has no row 2")
        var tensors = try shared.tensors
        tensors[0].tensor = try Tensor(elementType: .u16, shape: [4], bytes: [0, 0, 1, 0, 2, 0, 0, 0])
        let lookup = TensorLookup(tensors, matrix: "layer")
        #expect(
            message { try MatrixDescription(shared).matrix(named: "layer", tensors: lookup) }
                == "memory: tensor \"layer.rows\": expected numbers below 2, got 2")
    }
}
