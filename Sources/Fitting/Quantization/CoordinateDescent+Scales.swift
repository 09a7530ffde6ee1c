import LinearAlgebra
import StructuredMatrices
import Tensors

extension CoordinateDescent.State {
    /// Least squares for the scales and offsets of every row under G, codes as they are.
    mutating func fitScales() {
        followCodes()
        let system = ScaleSystem(method)
        for row in 0..<weights.rows {
            let codes = rounded.codes[row * size..<(row + 1) * size]
            let scales = row * groups..<(row + 1) * groups
            let old = Array(rounded.scales[scales])
            system.set(codes: codes, products: products.view.row(row), target: target.view.row(row))
            guard let new = system.solved(from: old), system.loss(new) < system.loss(old) else { continue }
            rounded.scales.replaceSubrange(scales, with: new)
            subtract(row)
            let residual = residual.view.row(row)
            method.indicators.withView { indicators in
                for group in 0..<groups {
                    let change = new[group].scale - old[group].scale
                    if change != 0 {
                        Kernels.best.addScaled(residual, products.view.row(row) + group * size, -change, size)
                    }
                    let offset = old[group].scale * old[group].zero - new[group].scale * new[group].zero
                    if offset != 0 { Kernels.best.addScaled(residual, indicators.row(group), -offset, size) }
                }
            }
        }
    }
}

/// The normal equations for the scales of one row's groups, and for their offsets where groups have zero points.
private final class ScaleSystem {
    private let method: CoordinateDescent
    private let solver: PositiveSolver
    private let matrix: DoubleBuffer
    private let side: DoubleBuffer
    private let solution: DoubleBuffer
    /// The row's codes as numbers, and as many ones.
    private let codes: FloatBuffer
    private var hasZeros: Bool { method.quantizer.hasZeroPoints }

    init(_ method: CoordinateDescent) {
        self.method = method
        let unknowns = method.unknowns
        solver = PositiveSolver(size: unknowns)
        matrix = DoubleBuffer(rows: unknowns, columns: unknowns)
        side = DoubleBuffer(rows: 1, columns: unknowns)
        solution = DoubleBuffer(rows: unknowns, columns: 1)
        codes = FloatBuffer(rows: 2, columns: method.diagonal.count)
        codes.view.row(1).update(repeating: 1, count: method.diagonal.count)
    }

    /// - Parameter products: Q_g G of every group, one after the other; `target` is W G.
    func set(codes row: ArraySlice<Int8>, products: UnsafePointer<Float>, target: UnsafePointer<Float>) {
        let (codes, ones, groups, size) = (codes.view.row(0), codes.view.row(1), method.groups, row.count)
        for (column, code) in row.enumerated() { codes[column] = Float(code) }
        for group in 0..<groups {
            let (own, product) = (method.columns(of: group), products + group * size)
            var (sum, weighted) = (0.0, 0.0)
            for column in own {
                sum += Double(target[column])
                weighted += Double(target[column]) * Double(codes[column])
            }
            side.view.base[group] = weighted
            for other in group..<groups {
                let range = method.columns(of: other)
                let value = Kernels.best.dot(product + range.lowerBound, codes + range.lowerBound, range.count)
                set(group, other, Double(value))
            }
            guard hasZeros else { continue }
            side.view.base[groups + group] = sum
            for other in 0..<groups {
                let range = method.columns(of: other)
                set(group, groups + other, Double(Kernels.best.dot(product + range.lowerBound, ones, range.count)))
                set(groups + group, groups + other, method.indicatorSums[group, other])
            }
        }
    }

    private func set(_ i: Int, _ j: Int, _ value: Double) {
        matrix.view.row(i)[j] = value
        matrix.view.row(j)[i] = value
    }

    /// The least-squares scales and zero points as they are stored; nil where there is nothing to solve.
    func solved(from old: [GroupScale]) -> [GroupScale]? {
        let unknowns = method.unknowns
        solver.matrix.base.update(from: matrix.view.base, count: unknowns * unknowns)
        guard solver.factorise() else { return nil }
        solution.view.base.update(from: side.view.base, count: unknowns)
        solver.solveLeft(solution.view)
        return old.indices.map { group in
            let scale = Float(solution.view.base[group])
            // A group whose codes are all zero has no scale of its own.
            guard scale.isFinite, matrix.view.row(group)[group] > 0 else { return old[group] }
            return method.quantizer.stored(
                scale: scale, offset: hasZeros ? Float(solution.view.base[method.groups + group]) : 0)
        }
    }

    /// The row's objective with these scales, but for what does not depend on them.
    func loss(_ scales: [GroupScale]) -> Double {
        let x = scales.map { Double($0.scale) } + (hasZeros ? scales.map { -Double($0.scale * $0.zero) } : [])
        var sum = 0.0
        for (i, factor) in x.enumerated() {
            let row = matrix.view.row(i)
            var product = 0.0
            for (j, other) in x.enumerated() { product += row[j] * other }
            sum += factor * (product - 2 * side.view.base[i])
        }
        return sum
    }
}
