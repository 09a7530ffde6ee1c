import LinearAlgebra
import StructuredMatrices
import Tensors

extension CoordinateDescent {
    /// Rows in work, and what both steps keep true of them.
    struct State {
        let method: CoordinateDescent
        let weights: MatrixView
        var rounded: QuantizedRows
        /// W - V.
        let difference: FloatBuffer
        /// (W - V) G.
        let residual: FloatBuffer
        /// W G.
        let target: FloatBuffer
        /// Q_g G for the codes Q_g of every group, one after the other in a row: rows x (groups columns).
        let products: FloatBuffer
        /// The codes that the products are of; empty before the first.
        var multiplied: [Int8] = []

        private static let blockSize = 64
        /// Fewer changes than one in so many are added one by one, more by a product of matrices.
        private static let fewest = 8

        var groups: Int { method.groups }
        var size: Int { weights.columns }

        init(_ weights: MatrixView, _ start: QuantizedRows, _ method: CoordinateDescent) {
            self.method = method
            self.weights = weights
            rounded = start
            let (rows, size) = (weights.rows, weights.columns)
            difference = FloatBuffer(rows: rows, columns: size)
            residual = FloatBuffer(rows: rows, columns: size)
            target = FloatBuffer(rows: method.fitsScales ? rows : 0, columns: size)
            products = FloatBuffer(rows: method.fitsScales ? rows : 0, columns: method.groups * size)
            for row in 0..<rows { subtract(row) }
            method.gram.withView { gram in
                if method.fitsScales { multiply(weights, gram, into: target.view) }
                multiply(difference.readable, gram, into: residual.view)
            }
        }

        /// W - V of a row from codes and scales.
        func subtract(_ row: Int) {
            let (target, weights) = (difference.view.row(row), weights.row(row))
            for column in 0..<size {
                let scale = rounded.scales[row * groups + column / method.groupSize]
                target[column] = weights[column] - method.quantizer.value(Float(rounded.codes[row * size + column]), scale)
            }
        }

        func objective() -> Double {
            var sum = 0.0
            for row in 0..<weights.rows {
                let (difference, residual) = (difference.view.row(row), residual.view.row(row))
                for column in 0..<size { sum += Double(difference[column]) * Double(residual[column]) }
            }
            return sum
        }

        /// One pass over the columns. Within a block the residual follows every change, elsewhere after the block.
        mutating func chooseCodes() {
            let (gram, blocks) = (method.gram, stride(from: 0, to: size, by: Self.blockSize))
            gram.withView { gram in
                for start in blocks {
                    let block = start..<min(size, start + Self.blockSize)
                    let changes = FloatBuffer(rows: weights.rows, columns: block.count)
                    var changed = 0
                    for row in 0..<weights.rows {
                        changed += chooseCodes(of: row, in: block, gram, changes.view.row(row))
                    }
                    for rest in [0..<block.lowerBound, block.upperBound..<size] where changed > 0 && !rest.isEmpty {
                        add(
                            changes, changed, times: gram.block(rows: block, columns: rest), -1,
                            to: residual.view.columns(rest))
                    }
                }
            }
        }

        /// The best codes of a row in a block, one after the other; how many changed, and what of V that changed.
        private mutating func chooseCodes(
            of row: Int, in block: Range<Int>, _ gram: MatrixView, _ changes: UnsafeMutablePointer<Float>
        ) -> Int {
            let quantizer = method.quantizer
            let (gradient, difference) = (residual.view.row(row), difference.view.row(row))
            var changed = 0
            for column in block {
                let scale = rounded.scales[row * groups + column / method.groupSize]
                let index = row * size + column
                let code = Float(rounded.codes[index])
                let curvature = method.diagonal[column]
                guard curvature > 0, scale.scale != 0 else { continue }
                let next = quantizer.code(quantizer.value(code, scale) + gradient[column] / curvature, scale)
                guard next != code else { continue }
                rounded.codes[index] = Int8(next)
                let change = scale.scale * (next - code)
                changes[column - block.lowerBound] = change
                difference[column] -= change
                Kernels.best.addScaled(
                    gradient + block.lowerBound, gram.row(column) + block.lowerBound, -change, block.count)
                changed += 1
            }
            return changed
        }

        /// target += factor changes gram, of whose changes so many are not 0.
        private func add(
            _ changes: FloatBuffer, _ changed: Int, times gram: MatrixView, _ factor: Float, to target: MutableMatrixView
        ) {
            let view = changes.readable
            guard Self.fewest * changed <= view.rows * view.columns else {
                return multiply(view, gram, alpha: factor, beta: 1, into: target)
            }
            for row in 0..<view.rows {
                let changes = view.row(row)
                for column in 0..<view.columns where changes[column] != 0 {
                    Kernels.best.addScaled(target.row(row), gram.row(column), factor * changes[column], target.columns)
                }
            }
        }

        /// Q_g G for the codes as they are.
        mutating func followCodes() {
            let (gram, isFirst) = (method.gram, multiplied.isEmpty)
            gram.withView { gram in
                for group in 0..<groups {
                    let range = method.columns(of: group)
                    let changes = FloatBuffer(rows: weights.rows, columns: range.count)
                    var changed = 0
                    for row in 0..<weights.rows {
                        let target = changes.view.row(row)
                        for column in range {
                            let index = row * size + column
                            let change = Int(rounded.codes[index]) - (isFirst ? 0 : Int(multiplied[index]))
                            guard change != 0 else { continue }
                            target[column - range.lowerBound] = Float(change)
                            changed += 1
                        }
                    }
                    add(
                        changes, changed, times: gram.rows(range), 1,
                        to: products.view.columns(group * size..<(group + 1) * size))
                }
            }
            multiplied = rounded.codes
        }
    }
}
