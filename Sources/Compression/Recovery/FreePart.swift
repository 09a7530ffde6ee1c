import LinearAlgebra
import StructuredMatrices
import Tensors

/// Numbers of a matrix that it is linear in while all others stay: the values of a sparse matrix, one factor of a product, the
/// scales of integers.
struct FreePart {
    let values: [Float]
    /// Values that have nothing to do with those of other ranges: the ones of one row, where rows have their own.
    let systems: [Range<Int>]
    /// W as far as it depends on the values, for any values: rows x columns.
    let image: ([Float]) -> Matrix
    /// The transpose of `image`: from dL/dW to dL/dvalues.
    let adjoint: (Matrix) -> [Float]
    /// The matrix with other values, rounded as they are stored.
    let replacing: ([Float]) throws -> any StructuredMatrix

    /// Those of a matrix; none for families that are not known here.
    static func all(of matrix: any StructuredMatrix) -> [FreePart] {
        switch matrix {
        case is Dense: []
        case let sum as MatrixSum: sum.parts.indices.flatMap { parts(of: sum, term: $0) }
        case let product as MatrixProduct: product.parts.indices.flatMap { parts(of: product, factor: $0) }
        case let matrix as any DifferentiableMatrix: factors(of: matrix)
        case let matrix as any LinearInScales: [scales(of: matrix)]
        case let matrix as any LinearInValues: [values(of: matrix)]
        default: []
        }
    }

    private static func factors<Form: DifferentiableMatrix>(of matrix: Form) -> [FreePart] {
        let all = matrix.factors.map(\.values)
        // The last first: it is what families scale rows with.
        return all.indices.reversed().map { index in
            func changed(_ values: [Float]) -> Form {
                var others = all
                others[index] = values
                return matrix.replacingFactors(others)
            }
            return FreePart(
                values: all[index], systems: [all[index].indices],
                image: { values in
                    // Factors are rounded as they are stored: of numbers about 1 that loses least.
                    let largest = values.reduce(0) { max($0, abs($1)) }
                    guard largest > 0, largest.isFinite else { return changed(values).dense() }
                    var result = changed(values.map { $0 / largest }).dense()
                    result.scale(by: largest)
                    return result
                },
                adjoint: { matrix.factorGradients($0)[index] }, replacing: { changed($0) })
        }
    }

    private static func scales<Form: LinearInScales>(of matrix: Form) -> FreePart {
        let (rows, columns) = (matrix.shape.rows, matrix.shape.columns)
        let groupSize = matrix.groupSize
        let groups = (columns + groupSize - 1) / groupSize
        let units = matrix.units
        return FreePart(
            values: matrix.scaleValues, systems: (0..<rows).map { $0 * groups..<($0 + 1) * groups },
            image: { scales in
                Matrix(rows: rows, columns: columns) { units[$0, $1] * scales[$0 * groups + $1 / groupSize] }
            },
            adjoint: { gradient in
                var result = [Float](repeating: 0, count: rows * groups)
                for row in 0..<rows {
                    for column in 0..<columns {
                        result[row * groups + column / groupSize] += gradient[row, column] * units[row, column]
                    }
                }
                return result
            },
            replacing: { matrix.replacingScales($0) })
    }

    private static func values<Form: LinearInValues>(of matrix: Form) -> FreePart {
        let (places, values) = (matrix.valuePlaces, matrix.storedValues)
        let shape = matrix.shape
        var systems: [Range<Int>] = []
        // Values are in the order of their rows.
        var first = 0
        for row in 0..<shape.rows {
            var last = first
            while last < places.count, places[last] < (row + 1) * shape.columns { last += 1 }
            systems.append(first..<last)
            first = last
        }
        return FreePart(
            values: values, systems: systems,
            image: { values in
                var result = Matrix(rows: shape.rows, columns: shape.columns)
                for (place, value) in zip(places, values) { result.elements[place] = value }
                return result
            },
            adjoint: { gradient in places.map { gradient.elements[$0] } },
            replacing: { matrix.replacingValues($0) })
    }

    private static func parts(of sum: MatrixSum, term: Int) -> [FreePart] {
        all(of: sum.parts[term]).map { part in
            FreePart(
                values: part.values, systems: part.systems, image: part.image, adjoint: part.adjoint,
                replacing: { values in
                    var terms = sum.parts
                    terms[term] = try part.replacing(values)
                    return try MatrixSum(terms)
                })
        }
    }

    private static func parts(of product: MatrixProduct, factor: Int) -> [FreePart] {
        func dense(_ factors: ArraySlice<any StructuredMatrix>) -> Matrix? {
            factors.dropFirst().reduce(factors.first?.dense()) { $0?.multiplied(by: $1.dense()) }
        }
        let left = dense(product.parts[..<factor])
        let right = dense(product.parts[(factor + 1)...])
        return all(of: product.parts[factor]).map { part in
            FreePart(
                values: part.values, systems: left == nil ? part.systems : [part.values.indices],
                image: { values in
                    var result = part.image(values)
                    if let right { result = result.multiplied(by: right) }
                    if let left { result = left.multiplied(by: result) }
                    return result
                },
                adjoint: { gradient in
                    var result = gradient
                    if let left { result = left.multiplied(by: result, transposeSelf: true) }
                    if let right { result = result.multiplied(by: right, transposeOther: true) }
                    return part.adjoint(result)
                },
                replacing: { values in
                    var factors = product.parts
                    factors[factor] = try part.replacing(values)
                    return try MatrixProduct(factors)
                })
        }
    }
}

/// Integers with scales, the integers as they are.
private protocol LinearInScales: StructuredMatrix {
    var groupSize: Int { get }
    /// The matrix whose scales are all 1.
    var units: Matrix { get }
    /// rows x ceil(columns / groupSize).
    var scaleValues: [Float] { get }
    func replacingScales(_ scales: [Float]) -> Self
}

extension LinearInScales {
    fileprivate var units: Matrix { replacingScales([Float](repeating: 1, count: scaleValues.count)).dense() }
}

extension Quantized: LinearInScales {}
extension AsymmetricQuantized: LinearInScales {}

/// Values in fixed places.
private protocol LinearInValues: StructuredMatrix {
    /// Of every value in order, row * columns + column; ascending.
    var valuePlaces: [Int] { get }
    var storedValues: [Float] { get }
    func replacingValues(_ values: [Float]) -> Self
}

extension NMSparse: LinearInValues {
    fileprivate var valuePlaces: [Int] {
        keptColumns.enumerated().flatMap { row, columns in columns.map { row * shape.columns + $0 } }
    }
    fileprivate var storedValues: [Float] { values.values }
}

extension CompressedSparseRows: LinearInValues {
    fileprivate var valuePlaces: [Int] {
        (0..<shape.rows).flatMap { row in
            (offsets[row]..<offsets[row + 1]).map { row * shape.columns + Int(columns[$0]) }
        }
    }
    fileprivate var storedValues: [Float] { values.values }
}

extension GroupSparse: LinearInValues {
    fileprivate var valuePlaces: [Int] {
        (0..<shape.rows).flatMap { row in
            (0..<kept).map { row * shape.columns + Int(columns[row / tile * kept + $0]) }
        }
    }
    fileprivate var storedValues: [Float] { values.values }
}
