import StructuredMatrices
import Tensors
import Testing

/// What compositions are, beyond the laws of every family.
@Suite struct CompositionTests {
    @Test func denseFormsAreTheDefinitions() throws {
        let (a, b, c) = (random(6, 4), random(6, 4, seed: 2), random(4, 5, seed: 3))
        #expect(try MatrixSum([Dense(a), Dense(b)]).dense() == a + b)
        #expect(try MatrixProduct([Dense(a), Dense(c)]).dense() == a.multiplied(by: c))
        let (rows, columns) = ([5, 0, 3, 1, 2, 4], [2, 3, 0, 1])
        let permuted = try PermutedMatrix(Dense(a), rowOrder: rows, columnOrder: columns)
        #expect(permuted.dense() == Matrix(rows: 6, columns: 4) { a[rows[$0], columns[$1]] })
        let (left, right): ([Float], [Float]) = ([1, -2, 0.5, 3, 0, 4], [2, 1, -1, 0.25])
        let scaled = try ScaledMatrix(
            Dense(a), rowScales: Factor(left, shape: [6]), columnScales: Factor(right, shape: [4]))
        #expect(scaled.dense() == Matrix(rows: 6, columns: 4) { left[$0] * a[$0, $1] * right[$1] })
    }

    @Test func costsAddUp() throws {
        let codes = try Quantized(
            codes: [Int8](repeating: 1, count: 24), scales: [Float](repeating: 1, count: 6),
            shape: MatrixShape(rows: 6, columns: 4), bits: 4, groupSize: 4)
        let lowRank = LowRank(u: random(6, 2), v: random(2, 4), precision: .f16)
        let sum = try MatrixSum([codes, lowRank])
        #expect(sum.cost == Cost(parameters: 24 + 6 + 20, storedBytes: 12 + 12 + 40, multiplyAdds: 24 + 20))
        let permuted = try PermutedMatrix(sum, columnOrder: [3, 2, 1, 0])
        #expect(permuted.cost == sum.cost + Cost(parameters: 0, storedBytes: 8, multiplyAdds: 0))
        let scaled = try ScaledMatrix(permuted, rowScales: Factor([Float](repeating: 2, count: 6), shape: [6], precision: .bf16))
        #expect(scaled.cost == permuted.cost + Cost(parameters: 6, storedBytes: 12, multiplyAdds: 6))
    }

    @Test func descriptionsNameEveryPart() throws {
        let lowRank = LowRank(u: random(6, 2), v: random(2, 4))
        let scaled = try ScaledMatrix(
            MatrixSum([Dense(random(6, 4)), lowRank]), rowScales: Factor(random(6, 1).elements, shape: [6]))
        #expect(MatrixDescription(scaled).text == "scaled sides=1 (sum (dense, low-rank rank=2))")
        #expect(try scaled.tensors.map(\.name) == ["rows", "0.0.weight", "0.1.u", "0.1.v"])
        let again = try MatrixDescription(scaled).matrix(named: "m", tensors: TensorLookup(try scaled.tensors))
        #expect(again.dense() == scaled.dense() && MatrixDescription(again) == MatrixDescription(scaled))
    }

    @Test func partsThatDoNotFitAreRefused() throws {
        #expect(message { try MatrixSum([]) } == "sum cannot represent a 0 x 0 matrix: a sum needs at least one term")
        #expect(
            message { try MatrixSum([Dense(random(6, 4)), Dense(random(4, 6))]) }
                == "sum cannot represent a 6 x 4 matrix: a term is 4 x 6")
        #expect(
            message { try MatrixProduct([]) } == "product cannot represent a 0 x 0 matrix: a product needs at least one factor")
        #expect(
            message { try MatrixProduct([Dense(random(6, 4)), Dense(random(3, 6))]) }
                == "product cannot represent a 6 x 6 matrix: a 6 x 4 factor meets a 3 x 6 one")
        #expect(message { try PermutedMatrix(Dense(random(2, 2))) } == "permuted cannot represent a 2 x 2 matrix: it needs an order")
        for order in [[0, 1, 1], [0, 1, 3], [-1, 0, 1], [0, 1]] {
            #expect(throws: StructuredMatrixError.self) { try PermutedMatrix(Dense(random(3, 2)), rowOrder: order) }
        }
        #expect(message { try ScaledMatrix(Dense(random(2, 2))) } == "scaled cannot represent a 2 x 2 matrix: it needs scales")
        #expect(throws: StructuredMatrixError.self) {
            try ScaledMatrix(Dense(random(2, 2)), rowScales: Factor([1, 2, 3], shape: [3]))
        }
    }

    @Test func nestingIsBounded() throws {
        var matrix: any StructuredMatrix = Dense(random(2, 2))
        for _ in 1..<MatrixDescription.maximumDepth { matrix = try MatrixSum([matrix]) }
        let deepest = matrix
        #expect(
            message { try MatrixProduct([deepest]) }
                == "product cannot represent a 2 x 2 matrix: it is nested deeper than 8 levels")
        let term = Dense(random(2, 2))
        #expect(throws: Never.self) { try MatrixSum(Array(repeating: term, count: MatrixDescription.maximumParts - 1)) }
        #expect(
            message { try MatrixSum(Array(repeating: term, count: MatrixDescription.maximumParts)) }
                == "sum cannot represent a 2 x 2 matrix: it is of more than 64 parts")
    }

    /// What a hostile `config.json` may say of the parts: nothing is read, nothing crashes.
    @Test func hostileDescriptionsAreRefused() throws {
        let shape = MatrixShape(rows: 6, columns: 4)
        let sum = try MatrixSum([Dense(random(6, 4)), LowRank(u: random(6, 2), v: random(2, 4))])
        let lookup = TensorLookup(try sum.tensors, matrix: "layer")
        func read(_ family: String, _ parts: [MatrixDescription], _ attributes: [String: Int] = [:]) -> String {
            message {
                try MatrixDescription(family: family, shape: shape, attributes: attributes, parts: parts)
                    .matrix(named: "layer", tensors: lookup)
            }
        }
        let dense = MatrixDescription(family: "dense", shape: shape)
        #expect(read("sum", [dense, MatrixDescription(family: "low-rank", shape: shape, attributes: ["rank": 2])]) == "no error")
        #expect(read("sum", []) == "layer: parts of a 6 x 4 sum: expected 1 to 64 of them, got 0")
        #expect(read("permuted", [dense], ["sides": 1]).contains("layer.rows"))
        #expect(read("scaled", [dense], ["sides": 4]) == "layer: attribute 'sides': expected 1 to 3, got 4")
        #expect(read("sum", [dense, dense]).contains("layer.1.weight"))
        #expect(read("sum", [MatrixDescription(family: "nonesuch", shape: shape)]).hasPrefix("layer.0: unknown family \"nonesuch\""))
        #expect(
            read("sum", [MatrixDescription(family: "low-rank", shape: shape, attributes: ["rank": -3])])
                == "layer.0: attribute 'rank': expected 1 to 2147483647, got -3")
        for size in [0, -1, 5, 1 << 40, Int.max, .min] {
            let hostile = MatrixDescription(family: "dense", shape: MatrixShape(rows: size, columns: 4))
            #expect(read("sum", [hostile]) == "layer: parts of a 6 x 4 sum: a term is \(size) x 4")
            let inner = [
                MatrixDescription(family: "dense", shape: MatrixShape(rows: 6, columns: size)),
                MatrixDescription(family: "dense", shape: MatrixShape(rows: size, columns: 4)),
            ]
            #expect(read("product", inner) != "no error")
        }
        var deep = dense
        for _ in 0..<1000 { deep = MatrixDescription(family: "sum", shape: shape, parts: [deep]) }
        #expect(read("sum", [deep]) == "layer: parts of a 6 x 4 sum: it is nested deeper than 8 levels")
        // 64 to the power of 6 descriptions, if anybody counted them all.
        var wide = dense
        for _ in 0..<6 { wide = MatrixDescription(family: "sum", shape: shape, parts: Array(repeating: wide, count: 64)) }
        #expect(read("sum", [wide]) == "layer: parts of a 6 x 4 sum: it is of more than 64 parts")
    }

    @Test func hostileOrdersAreRefused() throws {
        let permuted = try PermutedMatrix(Dense(random(3, 2)), rowOrder: [2, 0, 1])
        for (order, got) in [([2, 0, 2], 2), ([0, 1, 3], 3), ([65535, 0, 1], 65535)] {
            var tensors = try permuted.tensors
            let bytes = order.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
            tensors[0].tensor = try Tensor(elementType: .u16, shape: [3], bytes: bytes)
            let lookup = TensorLookup(tensors, matrix: "layer")
            #expect(
                message { try MatrixDescription(permuted).matrix(named: "layer", tensors: lookup) }
                    == "memory: tensor \"layer.rows\": every place from 0 to 2 must be there once, got \(got)")
        }
    }
}
