import StructuredMatrices
import Tensors

/// Which places of a matrix may hold numbers.
public enum SparseForm: Sendable, Equatable {
    /// Any, the best of the whole matrix: compressed sparse rows.
    case anywhere
    /// Any, as many in every row: compressed sparse rows.
    case rows
    /// N of every M consecutive ones of a row.
    case groups(kept: Int, of: Int)

    /// What a sparse matrix with this many entries costs; of groups the number is fixed.
    func cost(shape: MatrixShape, entries: Int, precision: Precision) -> Cost {
        switch self {
        case .anywhere, .rows: CompressedSparseRows.cost(shape: shape, entries: entries, precision: precision)
        case .groups(let kept, let group): NMSparse.cost(shape: shape, kept: kept, group: group, precision: precision)
        }
    }

    /// The numbers of entries there are to choose from.
    func entries(shape: MatrixShape) -> ClosedRange<Int> {
        switch self {
        case .anywhere, .rows: 0...shape.count
        case .groups(let kept, let group):
            shape.rows * (shape.columns / group) * kept...shape.rows * (shape.columns / group) * kept
        }
    }

    /// - Throws: `FittingError.invalidOption`, `.ungroupable`.
    func check(shape: MatrixShape, fitter: String, matrix: String) throws {
        guard case .groups(let kept, let group) = self else { return }
        guard NMSparse.supportedGroups.contains(group) else {
            throw FittingError.invalidOption(fitter: fitter, option: "group", expected: "4, 8 or 16", got: group)
        }
        guard (1...group).contains(kept) else {
            throw FittingError.invalidOption(fitter: fitter, option: "kept", expected: "1 to \(group)", got: kept)
        }
        guard shape.columns % group == 0 else {
            throw FittingError.ungroupable(matrix: matrix, family: NMSparse.family.name, shape: shape, group: group)
        }
    }

    /// The places of the highest scores, ties going to the first; `.groups` take their own number.
    /// - Parameters:
    ///   - scores: rows x columns, not negative.
    ///   - entries: places in all; `.rows` share them out evenly, the first rows taking what does not divide.
    func places(_ scores: DoubleMatrix, entries: Int) -> [Bool] {
        var mask = [Bool](repeating: false, count: scores.count)
        switch self {
        case .anywhere: Self.mark(&mask, scores.elements[...], count: entries)
        case .rows:
            for row in 0..<scores.rows {
                Self.mark(&mask, scores.row(row), count: entries / scores.rows + (row < entries % scores.rows ? 1 : 0))
            }
        case .groups(let kept, let group):
            for start in stride(from: 0, to: scores.count, by: group) {
                Self.mark(&mask, scores.elements[start..<start + group], count: kept)
            }
        }
        return mask
    }

    /// Marks the `count` highest of consecutive scores.
    private static func mark(_ mask: inout [Bool], _ scores: ArraySlice<Double>, count: Int) {
        guard count > 0 else { return }
        guard count < scores.count else {
            for index in scores.indices { mask[index] = true }
            return
        }
        let threshold = nthLargest(count, of: scores)
        var left = count
        for index in scores.indices where scores[index] > threshold {
            mask[index] = true
            left -= 1
        }
        for index in scores.indices where left > 0 && scores[index] == threshold {
            mask[index] = true
            left -= 1
        }
    }

    /// The numbers of `values` in the places of `mask` as a structured matrix.
    /// - Throws: `StructuredMatrixError` when they do not have the pattern.
    func matrix(_ values: DoubleMatrix, mask: [Bool], precision: Precision) throws -> any StructuredMatrix {
        let shape = MatrixShape(rows: values.rows, columns: values.columns)
        guard case .groups(let kept, let group) = self else {
            return CompressedSparseRows(values.converted(), precision: precision) { mask[$0 * shape.columns + $1] }
        }
        let places = mask.indices.filter { mask[$0] }
        return try NMSparse(
            values: places.map { Float(values.elements[$0]) }, places: places.map { UInt8($0 % shape.columns % group) },
            shape: shape, kept: kept, group: group, precision: precision)
    }
}

/// The `rank`-th largest of the numbers (1 is the largest), in time proportional to their count but for bad luck.
/// - Precondition: 1...count, no NaN.
private func nthLargest(_ rank: Int, of numbers: ArraySlice<Double>) -> Double {
    var numbers = Array(numbers)
    return numbers.withUnsafeMutableBufferPointer { numbers in
        var (low, high) = (0, numbers.count - 1)
        let wanted = rank - 1
        while low < high {
            // The median of three keeps sorted input from being the worst case.
            let (a, b, c) = (numbers[low], numbers[low + (high - low) / 2], numbers[high])
            let pivot = max(min(a, b), min(max(a, b), c))
            var (left, right) = (low, high)
            while left <= right {
                while numbers[left] > pivot { left += 1 }
                while numbers[right] < pivot { right -= 1 }
                if left <= right {
                    numbers.swapAt(left, right)
                    left += 1
                    right -= 1
                }
            }
            // Between the two lie numbers equal to the pivot.
            if wanted <= right { high = right } else if wanted >= left { low = left } else { return pivot }
        }
        return numbers[wanted]
    }
}
