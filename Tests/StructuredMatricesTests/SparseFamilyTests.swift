import StructuredMatrices
import Tensors
import Testing

/// What the sparse families refuse, in memory and in files.
@Suite struct SparseFamilyTests {
    private func read(
        _ family: any StructuredMatrix.Type, _ shape: MatrixShape, _ attributes: [String: Int],
        _ tensors: [String: Tensor]
    ) throws {
        _ = try family.init(
            shape: shape, tensors: TensorLookup(file: "model.safetensors", matrix: "layer") { tensors[String($0.dropFirst(6))] },
            attributes: FamilyAttributes(attributes, matrix: "layer"))
    }

    private func integers(_ values: [Int], _ type: ElementType) throws -> Tensor {
        try Tensor(
            elementType: type, shape: [values.count],
            bytes: values.flatMap { value in (0..<type.byteCount).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } })
    }

    // MARK: N:M

    @Test func placesGoWhereTheyBelong() throws {
        let matrix = try NMSparse(
            values: [1, 2, 3, 4], places: [0, 3, 1, 2], shape: MatrixShape(rows: 1, columns: 8), kept: 2, group: 4)
        #expect(matrix.dense().elements == [1, 0, 0, 2, 0, 3, 4, 0])
        #expect(matrix.places.withBytes(Array.init) == [0b10_01_11_00])
        #expect(matrix.cost == Cost(parameters: 4, storedBytes: 17, multiplyAdds: 4))
        let wide = try NMSparse(
            values: [1, 2, 3], places: [1, 6, 7], shape: MatrixShape(rows: 1, columns: 8), kept: 3, group: 8)
        #expect(wide.dense().elements == [0, 1, 0, 0, 0, 0, 2, 3])
        #expect(wide.places.withBytes(Array.init) == [0b11_110_001, 0b1])
    }

    @Test func impossibleNMSizesAreRefused() {
        func make(
            _ values: Int, _ places: [UInt8], _ columns: Int, kept: Int, group: Int
        ) -> String {
            message {
                _ = try NMSparse(
                    values: [Float](repeating: 1, count: values), places: places,
                    shape: MatrixShape(rows: 1, columns: columns), kept: kept, group: group)
            }
        }
        let start = "nm-sparse cannot represent a 1 x "
        #expect(make(2, [0, 1], 10, kept: 2, group: 4) == start + "10 matrix: columns must be a multiple of 4")
        #expect(make(2, [0, 1], 6, kept: 2, group: 6) == start + "6 matrix: groups must be of 4, 8 or 16, got 6")
        #expect(make(5, [0, 1, 2, 3, 4], 4, kept: 5, group: 4) == start + "4 matrix: it keeps 1 to 4 of a group, got 5")
        #expect(make(0, [], 4, kept: 0, group: 4) == start + "4 matrix: it keeps 1 to 4 of a group, got 0")
        #expect(make(2, [0], 4, kept: 2, group: 4) == start + "4 matrix: it needs 2 values and places, got 2 and 1")
        #expect(make(1, [0], 4, kept: 2, group: 4) == start + "4 matrix: it needs 2 values and places, got 1 and 1")
        let ascend = "4 matrix: places must ascend below 4 within a group, got "
        #expect(make(2, [2, 1], 4, kept: 2, group: 4) == start + ascend + "1 in row 0")
        #expect(make(2, [2, 2], 4, kept: 2, group: 4) == start + ascend + "2 in row 0")
        #expect(make(2, [2, 4], 4, kept: 2, group: 4) == start + ascend + "4 in row 0")
    }

    @Test func malformedNMTensorsAreRefused() throws {
        let shape = MatrixShape(rows: 2, columns: 8)
        let values = try Tensor([Float](repeating: 1, count: 8), shape: [2, 4])
        func read(_ bytes: [UInt8], kept: Int = 2, group: Int = 4, columns: Int = 8) -> String {
            message {
                let places = try Tensor(elementType: .u8, shape: [2, bytes.count / 2], bytes: bytes)
                try self.read(
                    NMSparse.self, MatrixShape(rows: 2, columns: columns), ["kept": kept, "group": group],
                    ["values": values, "places": places])
            }
        }
        #expect(shape.count == 16)
        #expect(read([0b11_00_10_01, 0b01_00_01_00]) == "no error")
        #expect(
            read([0b11_00_10_01, 0b01_01_01_00])
                == "model.safetensors: tensor \"layer.places\": row 1, group 1: places must ascend, got 1 after 1")
        #expect(
            read([0b11_00_01_10, 0b01_00_01_00])
                == "model.safetensors: tensor \"layer.places\": row 0, group 0: places must ascend, got 1 after 2")
        #expect(
            read([1, 2, 3, 4]) == "model.safetensors: tensor \"layer.places\": expected shape [2, 1], got [2, 2]")
        #expect(
            read([1, 2], columns: 10) == "layer: attribute 'group': expected a divisor of 10, got 4")
        #expect(read([1, 2], group: 3) == "layer: attribute 'group': expected 4, 8 or 16, got 3")
        #expect(read([1, 2], kept: 5) == "layer: attribute 'kept': expected 1 to 4, got 5")
        #expect(
            read([1, 2], kept: 1) == "model.safetensors: tensor \"layer.values\": expected shape [2, 2], got [2, 4]")
    }

    // MARK: Compressed rows

    @Test func entriesGoWhereTheyBelong() throws {
        let weight = Matrix(rows: 3, columns: 4, elements: [1, 0, 2, 0, 0, 0, 0, 0, 0, 3, 0, 4])
        let matrix = CompressedSparseRows(weight) { weight[$0, $1] != 0 }
        #expect(matrix.offsets == [0, 2, 2, 4] && matrix.columns == [0, 2, 1, 3] && matrix.values.values == [1, 2, 3, 4])
        #expect(matrix.dense() == weight)
        #expect(matrix.cost == Cost(parameters: 4, storedBytes: 4 * 6 + 4 * 8, multiplyAdds: 4))
        let columns = try #require(try matrix.tensors.first { $0.name == "columns" }?.tensor)
        #expect(columns.elementType == .u16 && columns.withBytes(Array.init) == [0, 0, 2, 0, 1, 0, 3, 0])
    }

    @Test func wideMatricesHaveWideColumns() throws {
        let weight = Matrix(rows: 1, columns: 70_000) { _, column in Float(column % 7) }
        let matrix = CompressedSparseRows(weight) { _, column in column % 9_999 == 1 }
        let again = try CompressedSparseRows(
            shape: matrix.shape, tensors: TensorLookup(try matrix.tensors), attributes: matrix.attributes)
        #expect(again.columns == matrix.columns && again.dense() == matrix.dense())
        #expect(try matrix.tensors[1].tensor.elementType == .u32)
        let x = Matrix(rows: 20, columns: 70_000) { Float(($0 + $1) % 5) }
        let expected = try matrix.multiply(x)
        for batch in [1, 20] {
            let input = Matrix(rows: batch, columns: 70_000, elements: Array(x.elements[0..<batch * 70_000]))
            var result = Matrix(rows: batch, columns: 1)
            let prepared = matrix.prepared(PreparationOptions())
            var scratch = [Float](repeating: 0, count: prepared.scratchFloats(batch: batch) + 1)
            scratch.withUnsafeMutableBufferPointer { scratch in
                guard let base = scratch.baseAddress else { return }
                result.withMutableView { y in
                    input.withView { prepared.apply($0, into: y, scratch: base, worker: .alone) }
                }
            }
            #expect(result.elements == Array(expected.elements[0..<batch]))
        }
    }

    @Test func malformedRowsAreRefused() throws {
        func read(
            _ offsets: [Int], _ columns: [Int], entries: Int? = nil, width: Int = 4, type: ElementType = .u16
        ) -> String {
            message {
                try self.read(
                    CompressedSparseRows.self, MatrixShape(rows: 2, columns: width),
                    ["entries": entries ?? columns.count],
                    [
                        "offsets": try integers(offsets, .i64), "columns": try integers(columns, type),
                        "values": try Tensor([Float](repeating: 1, count: columns.count), shape: [columns.count]),
                    ])
            }
        }
        let file = "model.safetensors: tensor "
        #expect(read([0, 1, 3], [3, 0, 2]) == "no error")
        #expect(read([0, 0, 0], []) == "no error")
        #expect(read([1, 1, 3], [3, 0, 2]) == file + "\"layer.offsets\": the first must be 0, got 1")
        #expect(read([0, 1, 2], [3, 0, 2]) == file + "\"layer.offsets\": the last must be 3, got 2")
        #expect(read([0, 4, 3], [3, 0, 2]) == file + "\"layer.offsets\": row 1: they must not fall, got 3 after 4")
        #expect(read([0, -1, 3], [3, 0, 2]) == file + "\"layer.offsets\": row 0: they must not fall, got -1 after 0")
        #expect(
            read([0, .max, 3], [3, 0, 2]) == file + "\"layer.offsets\": row 1: they must not fall, got 3 after \(Int.max)")
        #expect(read([0, 3], [3, 0, 2]) == file + "\"layer.offsets\": expected shape [3], got [2]")
        #expect(read([0, 1, 3], [3, 0, 4]) == file + "\"layer.columns\": row 1: expected columns below 4, got 4")
        #expect(read([0, 1, 3], [3, 2, 0]) == file + "\"layer.columns\": row 1: they must ascend, got 0 after 2")
        #expect(read([0, 1, 3], [3, 2, 2]) == file + "\"layer.columns\": row 1: they must ascend, got 2 after 2")
        #expect(read([0, 1, 3], [3, 0, 2], entries: 4) == file + "\"layer.values\": expected shape [4], got [3]")
        #expect(
            read([0, 1, 3], [3, 0, 2], entries: -1) == "layer: attribute 'entries': expected 0 to 2147483647, got -1")
        #expect(
            read([0, 1, 3], [3, 0, 2], width: 65_537)
                == file + "\"layer.columns\": expected element type U32, got U16")
        #expect(read([0, 1, 3], [3, 0, 65_536], width: 65_537, type: .u32) == "no error")
        #expect(
            read([0, 1, 3], [3, 0, 65_537], width: 65_537, type: .u32)
                == file + "\"layer.columns\": row 1: expected columns below 65537, got 65537")
    }

    // MARK: Groups

    @Test func groupsPutTheirValuesInSharedColumns() throws {
        let matrix = try GroupSparse(
            values: [1, 2, 3, 4, 5, 6], columns: [0, 3, 1, 2], shape: MatrixShape(rows: 3, columns: 4), kept: 2, tile: 2)
        #expect(matrix.dense().elements == [1, 0, 0, 2, 3, 0, 0, 4, 0, 5, 6, 0])
        #expect(matrix.cost == Cost(parameters: 6, storedBytes: 24 + 8, multiplyAdds: 6))
        let stored = try #require(try matrix.tensors.first { $0.name == "columns" }?.tensor)
        #expect(stored.elementType == .u16 && stored.shape == [2, 2])
        let empty = try GroupSparse(
            values: [], columns: [], shape: MatrixShape(rows: 3, columns: 4), kept: 0, tile: 4)
        #expect(empty.dense() == Matrix(rows: 3, columns: 4))
        let x = Matrix(rows: 2, columns: 4, repeating: 1)
        var y = Matrix(rows: 2, columns: 3, repeating: .nan)
        y.withMutableView { y in
            x.withView { x in
                var scratch: Float = 0
                empty.prepared(PreparationOptions()).apply(x, into: y, scratch: &scratch, worker: .alone)
            }
        }
        #expect(y == Matrix(rows: 2, columns: 3))
    }

    @Test func impossibleGroupsAreRefused() {
        func make(_ values: Int, _ columns: [UInt32], kept: Int, tile: Int) -> String {
            message {
                _ = try GroupSparse(
                    values: [Float](repeating: 1, count: values), columns: columns,
                    shape: MatrixShape(rows: 2, columns: 4), kept: kept, tile: tile)
            }
        }
        let start = "group-sparse cannot represent a 2 x 4 matrix: "
        #expect(make(2, [0], kept: 1, tile: 2) == "no error")
        #expect(make(2, [0], kept: 1, tile: 0) == start + "groups must be of 1 row or more, got 0")
        #expect(make(2, [0], kept: 5, tile: 2) == start + "it keeps 0 to 4 columns of a group, got 5")
        #expect(make(2, [0], kept: -1, tile: 2) == start + "it keeps 0 to 4 columns of a group, got -1")
        #expect(make(2, [0], kept: 1, tile: 1) == start + "it needs 2 values and 2 columns, got 2 and 1")
        #expect(make(2, [4], kept: 1, tile: 2) == start + "columns must ascend below 4 within a group, got 4 in group 0")
        #expect(
            make(4, [1, 1], kept: 2, tile: 2) == start + "columns must ascend below 4 within a group, got 1 in group 0")
    }

    @Test func malformedGroupsAreRefused() throws {
        func read(_ columns: [Int], kept: Int = 2, tile: Int = 2, rows: Int = 4) -> String {
            message {
                try self.read(
                    GroupSparse.self, MatrixShape(rows: rows, columns: 4), ["kept": kept, "tile": tile],
                    [
                        "columns": try Tensor(
                            elementType: .u16, shape: [2, 2], bytes: columns.flatMap { [UInt8($0), 0] }),
                        "values": try Tensor([Float](repeating: 1, count: 8), shape: [4, 2]),
                    ])
            }
        }
        let file = "model.safetensors: tensor "
        #expect(read([0, 3, 1, 2]) == "no error")
        #expect(read([0, 3, 2, 2]) == file + "\"layer.columns\": group 1: they must ascend, got 2 after 2")
        #expect(read([0, 4, 1, 2]) == file + "\"layer.columns\": group 0: expected columns below 4, got 4")
        #expect(read([0, 3, 1, 2], kept: 5) == "layer: attribute 'kept': expected 0 to 4, got 5")
        #expect(read([0, 3, 1, 2], tile: 0) == "layer: attribute 'tile': expected 1 to 2147483647, got 0")
        #expect(read([0, 3, 1, 2], tile: 4) == file + "\"layer.columns\": expected shape [1, 2], got [2, 2]")
        #expect(read([0, 3, 1, 2], rows: 3) == file + "\"layer.values\": expected shape [3, 2], got [4, 2]")
    }
}
