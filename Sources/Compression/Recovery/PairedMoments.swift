import Fitting
import LinearAlgebra
import Tensors

/// Second moments of one input of linear layers in two models on the same tokens: x in the dense model, x^ in the compressed
/// one.
package struct PairedMoments: Sendable {
    /// E[x^ x^^T], features x features.
    package var own: DoubleMatrix
    /// E[x x^^T], the dense model's features x features: those of a model that was narrowed may be fewer.
    package var cross: DoubleMatrix
    package var ownMean: [Double]
    package var denseMean: [Double]
    /// E[r x^^T], outputs x features, where r is what the sum that the outputs are added to lacks: the dense model's minus
    /// the compressed one's. Nil where outputs are not added to a sum that is shown.
    package var lack: DoubleMatrix?
    package var lackMean: [Double] = []
    package private(set) var tokens = 0
    /// Whether second moments were left out.
    private var isOfMeansOnly = false

    /// - Parameters:
    ///   - dense: features of the dense model; nil for as many.
    ///   - outputs: numbers of the sum; nil for none.
    package init(features: Int, dense: Int? = nil, outputs: Int? = nil) {
        own = DoubleMatrix(rows: features, columns: features)
        cross = DoubleMatrix(rows: dense ?? features, columns: features)
        ownMean = [Double](repeating: 0, count: features)
        denseMean = [Double](repeating: 0, count: dense ?? features)
        lack = outputs.map { DoubleMatrix(rows: $0, columns: features) }
        lackMean = [Double](repeating: 0, count: outputs ?? 0)
    }

    /// Adds tokens: products of up to a few thousand of them in `Float`, their sums in `Double`.
    /// - Parameters:
    ///   - dense: x, tokens x features.
    ///   - compressed: x^, of the same tokens.
    ///   - missing: r, tokens x outputs.
    ///   - meansOnly: leaves second moments out.
    package mutating func add(dense: Matrix, compressed: Matrix, missing: Matrix? = nil, meansOnly: Bool, context: ExecutionContext) {
        tokens += compressed.rows
        isOfMeansOnly = meansOnly
        compressed.withView { compressed in
            dense.withView { dense in
                Self.addSums(of: dense, to: &denseMean)
                Self.addSums(of: compressed, to: &ownMean)
                missing?.withView { Self.addSums(of: $0, to: &lackMean) }
                guard !meansOnly else { return }
                Self.addProduct(compressed, compressed, isSymmetric: true, to: &own, context)
                Self.addProduct(dense, compressed, to: &cross, context)
                if var sum = lack {
                    lack = nil
                    missing?.withView { Self.addProduct($0, compressed, to: &sum, context) }
                    lack = sum
                }
            }
        }
    }

    private static func addSums(of view: MatrixView, to sums: inout [Double]) {
        sums.withUnsafeMutableBufferPointer { sums in
            for row in 0..<view.rows {
                let values = view.row(row)
                for column in sums.indices { sums[column] += Double(values[column]) }
            }
        }
    }

    /// sum += left^T right, cut into panels by shape alone; of a symmetric product only blocks on and above the diagonal.
    private static func addProduct(
        _ left: MatrixView, _ right: MatrixView, isSymmetric: Bool = false, to sum: inout DoubleMatrix, _ context: ExecutionContext
    ) {
        let panel = 128
        sum.withMutableView { sum in
            context.parallelFor((left.columns + panel - 1) / panel) { index in
                let rows = index * panel..<min(left.columns, (index + 1) * panel)
                let columns = (isSymmetric ? rows.lowerBound : 0)..<right.columns
                var product = Matrix(rows: rows.count, columns: columns.count)
                product.withMutableView { multiply(left.columns(rows), transposeA: true, right.columns(columns), into: $0) }
                product.withView { product in
                    for row in rows {
                        let (source, target) = (product.row(row - rows.lowerBound), sum.row(row) + columns.lowerBound)
                        for column in 0..<columns.count { target[column] += Double(source[column]) }
                    }
                }
            }
        }
    }

    /// Turns sums into means. With `isCentred`, second moments become those about the means, for layers whose bias takes
    /// the means up.
    package mutating func finish(centred isCentred: Bool) {
        own.withMutableView { own in
            for row in 0..<own.rows {
                for column in 0..<row { own.row(row)[column] = own.row(column)[row] }
            }
        }
        let isCentred = isCentred && !isOfMeansOnly
        let scale = 1 / Double(max(1, tokens))
        for index in ownMean.indices { ownMean[index] *= scale }
        for index in denseMean.indices { denseMean[index] *= scale }
        for index in lackMean.indices { lackMean[index] *= scale }
        Self.finish(&own, scale, isCentred ? ownMean : nil, ownMean)
        Self.finish(&cross, scale, isCentred ? denseMean : nil, ownMean)
        if var sum = lack {
            lack = nil
            Self.finish(&sum, scale, isCentred ? lackMean : nil, ownMean)
            lack = sum
        }
    }

    private static func finish(_ sum: inout DoubleMatrix, _ scale: Double, _ left: [Double]?, _ right: [Double]) {
        sum.withMutableView { sum in
            for row in 0..<sum.rows {
                let (values, mean) = (sum.row(row), left?[row] ?? 0)
                for column in 0..<sum.columns { values[column] = values[column] * scale - mean * right[column] }
            }
        }
    }

    var isFinite: Bool { own.isFinite && cross.isFinite && (lack?.isFinite ?? true) && ownMean.allSatisfy(\.isFinite) }
}

/// What the matrices of one input should compute: least squares against the dense model's outputs.
///
/// The V that makes E|V x^ - W x - r|^2 + ridge |V - U|^2 small is U + (W E[x x^^T] - U E[x^ x^^T] + E[r x^^T]) G^-1 with
/// G = E[x^ x^^T] + ridge, and the excess of any other V is its distance from that one under G. U is the matrix before it was
/// compressed: W, but for a model that was narrowed. The ridge is the Gram matrix's own damping: what calibration text says
/// little of stays as it was.
package struct OutputTarget: Sendable {
    /// G.
    package let gram: Gram
    private let root: SymmetricRoot
    private let moments: PairedMoments
    /// (E[x x^^T] - E[x^ x^^T]) G^-1, features x features; nil where the dense model has other features.
    private let turn: DoubleMatrix?
    /// E[r x^^T] G^-1, outputs x features.
    private let lack: DoubleMatrix?

    /// - Throws: `FittingError`, `LinearAlgebraError`.
    package init(_ moments: PairedMoments) throws {
        gram = try Gram(moments.own)
        let root = try gram.root()
        let isSquare = moments.cross.rows == moments.own.rows
        turn = isSquare ? root.solve((moments.cross - moments.own).transposed()).transposed() : nil
        lack = moments.lack.map { root.solve($0.transposed()).transposed() }
        self.root = root
        self.moments = moments
    }

    /// A share of the way from U to the target: 0 asks for U's own outputs of the changed inputs.
    /// - Parameters:
    ///   - weight: U, outputs x features.
    ///   - dense: W, outputs x the dense model's features; nil for U.
    package func weight(_ weight: Matrix, of dense: Matrix? = nil, share: Double) -> Matrix {
        guard share > 0 else { return weight }
        let wide = weight.converted(to: Double.self)
        var change: DoubleMatrix
        if let turn, dense == nil {
            change = wide.multiplied(by: turn)
        } else {
            let wanted = (dense ?? weight).converted(to: Double.self).multiplied(by: moments.cross)
            change = root.solve((wanted - wide.multiplied(by: moments.own)).transposed()).transposed()
        }
        if let lack { change = change + lack }
        return Matrix(
            rows: weight.rows, columns: weight.columns,
            elements: zip(wide.elements, change.elements).map { Float($0 + share * $1) })
    }
}
