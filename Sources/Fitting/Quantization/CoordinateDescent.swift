import LinearAlgebra
import StructuredMatrices
import Tensors

/// Improves rounded rows under the objective itself, tr((W - V) G (W - V)^T), by two steps in turn: every code becomes the
/// best one given all others, column after column; then all scales (and zero points) of a row become the least-squares ones
/// for its codes. Neither step can raise the objective but for the rounding of scales as they are stored, and a row keeps
/// its scales where that would.
///
/// Coordinate descent over codes as in QuantEase (arXiv 2309.01885); blocks of columns make it products of matrices.
/// Memory: G in floats; for every thread five matrices of `rowsAtOnce` rows, and 32 MiB.
struct CoordinateDescent: Sendable {
    private let gram: Matrix
    private let diagonal: [Float]
    /// G times the indicators of the groups, columns x groups: what the offsets of groups see.
    private let indicators: Matrix
    private let groupSize: Int
    private let quantizer: GroupQuantizer
    /// Rounds of both steps at most, and the relative gain below which they end.
    private let rounds: Int
    private static let leastGain = 1e-3
    private static let blockSize = 64
    /// Scales and offsets of one row that are solved for together at most; rows with more keep theirs, because systems of
    /// equations grow with the square of them and their solution with the cube.
    private static let mostUnknowns = 256
    private var unknowns: Int { indicators.columns * (quantizer.hasZeroPoints ? 2 : 1) }

    /// Rows to improve at once: their systems of equations take 32 MiB at most.
    var rowsAtOnce: Int {
        unknowns > Self.mostUnknowns ? 256 : max(16, min(256, (1 << 22) / max(1, unknowns * unknowns)))
    }

    init(_ gram: Gram, groupSize: Int, quantizer: GroupQuantizer, rounds: Int) {
        let exact = gram.matrix
        self.gram = exact.converted()
        diagonal = gram.diagonal.map { Float($0) }
        let size = gram.size
        var indicators = DoubleMatrix(rows: size, columns: (size + groupSize - 1) / groupSize)
        for row in 0..<size {
            for column in 0..<size { indicators[row, column / groupSize] += exact[row, column] }
        }
        gram.release()
        self.indicators = indicators.converted()
        self.groupSize = groupSize
        self.quantizer = quantizer
        self.rounds = rounds
    }

    /// The rows improved, and the objective before and after each round. About 3 rows columns^2 multiply-adds a round.
    func improve(_ rows: MatrixView, from start: QuantizedRows) -> (rows: QuantizedRows, trace: [Double]) {
        var state = State(rows, start, self)
        var trace = [state.objective()]
        for _ in 0..<rounds {
            state.chooseCodes()
            if unknowns <= Self.mostUnknowns { state.fitScales() }
            trace.append(state.objective())
            let (before, after) = (trace[trace.count - 2], trace[trace.count - 1])
            if !(before - after > Self.leastGain * before) { break }
        }
        return (state.rounded, trace)
    }

    /// The rows in work. `residual` is (W - V) G throughout.
    private struct State {
        let method: CoordinateDescent
        let weights: MatrixView
        var rounded: QuantizedRows
        private var difference: Matrix
        private var residual: Matrix
        /// W G.
        private let target: Matrix

        var groups: Int { method.indicators.columns }
        var size: Int { weights.columns }

        init(_ weights: MatrixView, _ start: QuantizedRows, _ method: CoordinateDescent) {
            self.method = method
            self.weights = weights
            rounded = start
            difference = Matrix(rows: weights.rows, columns: weights.columns)
            residual = difference
            var target = difference
            method.gram.withView { gram in
                target.withMutableView { multiply(weights, gram, into: $0) }
            }
            self.target = target
            refresh()
        }

        /// W - V and (W - V) G from codes and scales.
        private mutating func refresh() {
            for row in 0..<weights.rows {
                for column in 0..<size {
                    let scale = rounded.scales[row * groups + column / method.groupSize]
                    let code = Float(rounded.codes[row * size + column])
                    difference[row, column] = weights.row(row)[column] - method.quantizer.value(code, scale)
                }
            }
            difference.withView { difference in
                method.gram.withView { gram in
                    residual.withMutableView { multiply(difference, gram, into: $0) }
                }
            }
        }

        func objective() -> Double { difference.innerProduct(residual) }

        /// One pass over the columns. Within a block the residual follows every change, elsewhere after the block.
        mutating func chooseCodes() {
            let (size, groups, groupSize, quantizer) = (size, groups, method.groupSize, method.quantizer)
            let rows = weights.rows
            // Moved out and back, so that the closures below hold no second reference to them.
            var (codes, residual, difference) = (rounded.codes, self.residual, self.difference)
            let scales = rounded.scales
            (rounded.codes, self.residual, self.difference) = ([], Matrix(rows: 0, columns: 0), Matrix(rows: 0, columns: 0))
            defer { (rounded.codes, self.residual, self.difference) = (codes, residual, difference) }
            for start in stride(from: 0, to: size, by: CoordinateDescent.blockSize) {
                let block = start..<min(size, start + CoordinateDescent.blockSize)
                var changes = Matrix(rows: rows, columns: block.count)
                var changed = false
                method.gram.withView { gram in
                    residual.withMutableView { residual in
                        changes.withMutableView { changes in
                            difference.withMutableView { difference in
                                for row in 0..<rows {
                                    let gradient = residual.row(row)
                                    for column in block {
                                        let scale = scales[row * groups + column / groupSize]
                                        let index = row * size + column
                                        let code = Float(codes[index])
                                        let curvature = method.diagonal[column]
                                        guard curvature > 0, scale.scale != 0 else { continue }
                                        let wanted = quantizer.value(code, scale) + gradient[column] / curvature
                                        let next = quantizer.code(wanted, scale)
                                        guard next != code else { continue }
                                        codes[index] = Int8(next)
                                        let change = scale.scale * (next - code)
                                        changes.row(row)[column - start] = change
                                        difference.row(row)[column] -= change
                                        let factors = gram.row(column)
                                        for other in block { gradient[other] -= change * factors[other] }
                                        changed = true
                                    }
                                }
                            }
                        }
                        guard changed else { return }
                        for rest in [0..<block.lowerBound, block.upperBound..<size] where !rest.isEmpty {
                            changes.withView {
                                multiply(
                                    $0, gram.block(rows: block, columns: rest), alpha: -1, beta: 1,
                                    into: residual.columns(rest))
                            }
                        }
                    }
                }
            }
        }

        /// Least squares for the scales and offsets of every row under G, codes as they are.
        mutating func fitScales() {
            let (size, groups, groupSize, quantizer) = (size, groups, method.groupSize, method.quantizer)
            let (rows, hasZeros) = (weights.rows, quantizer.hasZeroPoints)
            let unknowns = hasZeros ? 2 * groups : groups
            // products[g] = Q_g G: what the codes of group g contribute to every column.
            var products = Matrix(rows: rows, columns: size)
            var systems = [Double](repeating: 0, count: rows * unknowns * unknowns)
            var sides = [Double](repeating: 0, count: rows * unknowns)
            let codes = Matrix(rows: rows, columns: size, elements: rounded.codes.map { Float($0) })
            func columns(_ group: Int) -> Range<Int> { group * groupSize..<min(size, (group + 1) * groupSize) }
            codes.withView { codes in
                for group in 0..<groups {
                    // Without offsets the system is symmetric: what earlier groups say of this one is known.
                    let first = hasZeros ? 0 : group
                    let right = columns(first).lowerBound..<size
                    products.withMutableView { products in
                        method.gram.withView { gram in
                            multiply(
                                codes.columns(columns(group)), gram.block(rows: columns(group), columns: right),
                                into: products.columns(right))
                        }
                    }
                    products.withView { products in
                        for row in 0..<rows {
                            let (product, code) = (products.row(row), codes.row(row))
                            let system = row * unknowns * unknowns
                            for other in first..<groups {
                                let range = columns(other)
                                let both = Kernels.best.dot(product + range.lowerBound, code + range.lowerBound, range.count)
                                systems[system + group * unknowns + other] = Double(both)
                                guard hasZeros else {
                                    systems[system + other * unknowns + group] = Double(both)
                                    continue
                                }
                                var offset = Float(0)
                                for column in range { offset += product[column] }
                                systems[system + group * unknowns + groups + other] = Double(offset)
                            }
                        }
                    }
                }
            }
            var offsets = DoubleMatrix(rows: hasZeros ? groups : 0, columns: groups)
            for group in 0..<offsets.rows {
                for column in 0..<size { offsets[column / groupSize, group] += Double(method.indicators[column, group]) }
            }
            let solver = PositiveSolver(size: unknowns)
            let solution = DoubleBuffer(rows: unknowns, columns: 1)
            for row in 0..<rows {
                for column in 0..<size {
                    let wanted = Double(target[row, column])
                    let code = Double(rounded.codes[row * size + column])
                    sides[row * unknowns + column / groupSize] += wanted * code
                    if hasZeros { sides[row * unknowns + groups + column / groupSize] += wanted }
                }
                let system = solver.matrix
                for i in 0..<unknowns {
                    for j in 0..<unknowns {
                        let stored =
                            i < groups || j >= groups
                            ? systems[row * unknowns * unknowns + i * unknowns + j]
                            : systems[row * unknowns * unknowns + j * unknowns + i]
                        system.row(i)[j] = i >= groups && j >= groups ? offsets[i - groups, j - groups] : stored
                    }
                }
                let a = DoubleMatrix(rows: unknowns, columns: unknowns) { system.row($0)[$1] }
                let b = Array(sides[row * unknowns..<(row + 1) * unknowns])
                guard solver.factorise() else { continue }
                for i in 0..<unknowns { solution.view.row(i)[0] = b[i] }
                solver.solveLeft(solution.view)
                let old = Array(rounded.scales[row * groups..<(row + 1) * groups])
                let new = (0..<groups).map { group in
                    let scale = Float(solution.view.row(group)[0])
                    // A group whose codes are all zero has no scale of its own.
                    guard scale.isFinite, a[group, group] > 0 else { return old[group] }
                    return quantizer.stored(
                        scale: scale, offset: hasZeros ? Float(solution.view.row(groups + group)[0]) : 0)
                }
                func loss(_ scales: [GroupScale]) -> Double {
                    let x = scales.map { Double($0.scale) } + (hasZeros ? scales.map { -Double($0.scale * $0.zero) } : [])
                    var sum = 0.0
                    for i in 0..<unknowns {
                        var product = 0.0
                        for j in 0..<unknowns { product += a[i, j] * x[j] }
                        sum += x[i] * (product - 2 * b[i])
                    }
                    return sum
                }
                if loss(new) < loss(old) { rounded.scales.replaceSubrange(row * groups..<(row + 1) * groups, with: new) }
            }
            refresh()
        }
    }
}
