import CKernels
import Tensors

/// The product with a sum of matrices of packed codes, all of one shape and group size: one for plain integers, one
/// for each plane of trits. Zero points enter as offsets: y_o += sum over groups of offset_og * (sum of x over the group).
///
/// With rounded activations, |error of y_o| <= sum over groups g of s_g / 2 * sum over the group's columns of |W_oj|,
/// s_g = max |x| / 127 over the group: rounding moves no x by more than half a step. Rows and columns are padded, the
/// intermediate sums are exact.
struct PreparedCodes: PreparedProduct {
    let shape: MatrixShape
    let planes: [PackedCodes]
    /// rows x groups, where groups have zero points.
    let offsets: PackedMatrix?
    let activations: ActivationRounding
    private let groupSize: Int
    private let groups: Int

    /// - Precondition: at least one plane; all of the same shape and group size.
    init(_ planes: [PackedCodes], offsets: PackedMatrix? = nil, activations: ActivationRounding) {
        precondition(!planes.isEmpty)
        precondition(planes.allSatisfy { $0.shape == planes[0].shape && $0.groupSize == planes[0].groupSize })
        self.planes = planes
        self.offsets = offsets
        self.activations = activations
        shape = planes[0].shape
        groupSize = planes[0].groupSize
        groups = planes[0].groups
    }

    var byteCount: Int { planes.reduce(offsets?.byteCount ?? 0) { $0 + $1.byteCount } }

    /// Codes, a scale and a sum of four bytes each for every group; with offsets, the sums of x.
    func scratchFloats(batch: Int) -> Int {
        roundedFloats(batch: batch) + (offsets == nil ? 0 : batch * groups)
    }
    private func roundedFloats(batch: Int) -> Int {
        activations == .int8 ? batch * groups * (groupSize / 4 + 2) : 0
    }

    /// Bytes of rounded activations that a second-level cache keeps beside the weights streaming by.
    private static let tileBytes = 1 << 19
    private var tile: Int { max(24, Self.tileBytes / max(1, groups * groupSize)) }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        if waitsForInput(batch: input.rows, members: worker.count) {
            readInput(input, scratch: scratch, worker: worker)
            worker.barrier()
        }
        finish(input, into: output, scratch: scratch, worker: worker)
    }

    private func split(_ batch: Int, _ members: Int) -> WorkSplit {
        WorkSplit(panels: planes[0].panels, batch: batch, members: members)
    }

    func rowsPerMember(batch: Int, members: Int) -> Int? {
        WorkSplit.rowsPerMember(rows: shape.rows, batch: batch, members: members)
    }

    /// Members whose share is some panels need all of X rounded, or summed.
    func waitsForInput(batch: Int, members: Int) -> Bool {
        (activations == .int8 || offsets != nil) && split(batch, members) == .panels
    }

    func readInput(_ input: MatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker) {
        let sums = scratch + roundedFloats(batch: input.rows)
        if activations == .int8 {
            round(input, into: roundedRows(scratch, batch: input.rows), sums: sums, worker: worker)
        } else {
            for row in worker.share(of: input.rows) { sum(input.row(row), into: sums + row * groups) }
        }
    }

    func finish(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let panels = planes[0].panels
        let sums = scratch + roundedFloats(batch: input.rows)
        switch split(input.rows, worker.count) {
        case .panels:
            let share = worker.share(of: panels)
            if activations == .int8 {
                multiply(roundedRows(scratch, batch: input.rows), sums, panels: share, into: output)
            } else {
                multiplyExactly(input, sums, panels: share, into: output)
            }
        case .batch:
            let rows = worker.share(of: input.rows, grain: WorkSplit.batchGrain)
            let (x, y) = (input.rows(rows), output.rows(rows))
            let ownSums = sums + rows.lowerBound * groups
            if activations == .int8 {
                let rounded = roundedRows(scratch, batch: input.rows).rows(from: rows.lowerBound)
                Self.kernels.quantizeRows(x.base, x.rowStride, rows.count, shape.columns, rounded)
                sum(rounded, count: rows.count * groups, into: ownSums)
                multiply(rounded, ownSums, panels: 0..<panels, into: y)
            } else {
                if offsets != nil {
                    for row in 0..<x.rows { sum(x.row(row), into: ownSums + row * groups) }
                }
                multiplyExactly(x, ownSums, panels: 0..<panels, into: y)
            }
        }
    }

    private static var kernels: tessera_code_kernels { PackedCodes.kernels }

    /// Rounded activations in the scratch memory: codes of all rows, then scales, then sums.
    private func roundedRows(_ scratch: UnsafeMutablePointer<Float>, batch: Int) -> tessera_quantized_rows {
        let codes = UnsafeMutableRawPointer(scratch)
        let scales = codes + batch * groups * groupSize
        let sums = scales + batch * groups * MemoryLayout<Float>.stride
        return tessera_quantized_rows(
            codes: codes.assumingMemoryBound(to: Int8.self), scales: scales.assumingMemoryBound(to: Float.self),
            sums: sums.assumingMemoryBound(to: Int32.self), groups: groups, groupSize: groupSize)
    }

    /// A member's share of rounding X: rows where there are enough, else groups of columns.
    private func round(
        _ x: MatrixView, into rounded: tessera_quantized_rows, sums: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        if x.rows >= worker.count {
            let rows = worker.share(of: x.rows)
            let part = x.rows(rows)
            Self.kernels.quantizeRows(
                part.base, part.rowStride, part.rows, shape.columns, rounded.rows(from: rows.lowerBound))
            sum(rounded.rows(from: rows.lowerBound), count: rows.count * groups, into: sums + rows.lowerBound * groups)
        } else {
            let share = worker.share(of: groups)
            let first = share.lowerBound * groupSize, last = min(shape.columns, share.upperBound * groupSize)
            guard !share.isEmpty else { return }
            for row in 0..<x.rows {
                var part = rounded.rows(from: row)
                part.codes += first
                part.scales += share.lowerBound
                part.sums += share.lowerBound
                part.groups = share.count
                Self.kernels.quantizeRows(x.row(row) + first, x.rowStride, 1, last - first, part)
                sum(part, count: share.count, into: sums + row * groups + share.lowerBound)
            }
        }
    }

    /// The sums of x over `count` groups of rounded rows, where offsets need them.
    private func sum(_ rounded: tessera_quantized_rows, count: Int, into sums: UnsafeMutablePointer<Float>) {
        guard offsets != nil else { return }
        for group in 0..<count { sums[group] = rounded.scales[group] * Float(rounded.sums[group]) }
    }

    /// The sums of a row of x over its groups, sixteen lanes side by side.
    private func sum(_ x: UnsafePointer<Float>, into sums: UnsafeMutablePointer<Float>) {
        let lanes = SIMD16<Float>.scalarCount
        for group in 0..<groups {
            let end = min(shape.columns, (group + 1) * groupSize)
            var (column, parts, rest) = (group * groupSize, SIMD16<Float>.zero, Float(0))
            while column + lanes <= end {
                parts += UnsafeRawPointer(x + column).loadUnaligned(as: SIMD16<Float>.self)
                column += lanes
            }
            while column < end {
                rest += x[column]
                column += 1
            }
            sums[group] = parts.sum() + rest
        }
    }

    /// Y += what the offsets add.
    private func addOffsets(_ sums: UnsafeMutablePointer<Float>, panels: Range<Int>, into y: MutableMatrixView) {
        guard let offsets else { return }
        let rows = panels.lowerBound * PackedMatrix.panelRows..<min(shape.rows, panels.upperBound * PackedMatrix.panelRows)
        guard !rows.isEmpty else { return }
        offsets.multiply(
            0, rows: rows, MatrixView(base: sums, rows: y.rows, columns: groups), into: y.columns(rows),
            accumulating: true)
    }

    private func multiply(
        _ x: tessera_quantized_rows, _ sums: UnsafeMutablePointer<Float>, panels: Range<Int>, into y: MutableMatrixView
    ) {
        for first in stride(from: 0, to: y.rows, by: tile) {
            let rows = first..<min(y.rows, first + tile)
            for (index, plane) in planes.enumerated() {
                plane.multiply(x.rows(from: first), panels: panels, into: y.rows(rows), accumulating: index > 0)
            }
            addOffsets(sums + first * groups, panels: panels, into: y.rows(rows))
        }
    }

    private func multiplyExactly(
        _ x: MatrixView, _ sums: UnsafeMutablePointer<Float>, panels: Range<Int>, into y: MutableMatrixView
    ) {
        // Four bytes a number instead of one.
        let tile = max(24, tile / 4)
        for first in stride(from: 0, to: y.rows, by: tile) {
            let rows = first..<min(y.rows, first + tile)
            for (index, plane) in planes.enumerated() {
                plane.multiplyExactly(x.rows(rows), panels: panels, into: y.rows(rows), accumulating: index > 0)
            }
            addOffsets(sums + first * groups, panels: panels, into: y.rows(rows))
        }
    }
}

extension tessera_quantized_rows {
    /// The rows from one on.
    fileprivate func rows(from row: Int) -> tessera_quantized_rows {
        tessera_quantized_rows(
            codes: codes + row * groups * groupSize, scales: scales + row * groups, sums: sums + row * groups,
            groups: groups, groupSize: groupSize)
    }
}
