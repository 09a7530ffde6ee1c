import CKernels
import Testing

/// Rounding of activations to 8 bits, against the definition computed here.
@Suite struct CodeQuantizationTests {
    /// One group by the definition.
    static func reference(_ x: ArraySlice<Float>, groupSize: Int) -> (codes: [Int8], scale: Float) {
        let zeros = [Int8](repeating: 0, count: groupSize)
        guard x.allSatisfy(\.isFinite) else { return (zeros, .nan) }
        let largest = x.map(abs).max() ?? 0
        guard largest >= 0x1p-100 else { return (zeros, 0) }
        let inverse = 127 / largest
        var codes = zeros
        for (index, value) in x.enumerated() {
            codes[index] = Int8((value * inverse).rounded(.toNearestOrEven))
        }
        return (codes, largest / 127)
    }

    static func check(_ variant: CodeVariant, _ x: [Float], batch: Int, columns: Int, groupSize: Int) {
        let rounded = RoundedRows(
            variant, x, stride: columns, batch: batch, columns: columns, groupSize: groupSize)
        let groups = rounded.rows.groups
        let (codes, scales, sums) = (rounded.codes.array, rounded.scales.array, rounded.sums.array)
        for index in 0..<batch * groups {
            let (row, group) = index.quotientAndRemainder(dividingBy: groups)
            let end = min(columns, (group + 1) * groupSize)
            let expected = reference(
                x[row * columns + group * groupSize..<row * columns + end], groupSize: groupSize)
            #expect(Array(codes[index * groupSize..<(index + 1) * groupSize]) == expected.codes)
            #expect(sums[index] == expected.codes.reduce(0) { $0 + Int32($1) })
            #expect(scales[index] == expected.scale || (scales[index].isNaN && expected.scale.isNaN))
        }
    }

    @Test(arguments: CodeVariant.available, [32, 64, 96, 128])
    func everySize(variant: CodeVariant, groupSize: Int) {
        for columns in awkwardSizes + [257, 1000] {
            for batch in [1, 3] {
                var source = SeededValues(seed: 51)
                let x = (0..<batch * columns).map { _ in source.next() * (source.nextBits() % 9 == 0 ? 100 : 1) }
                Self.check(variant, x, batch: batch, columns: columns, groupSize: groupSize)
            }
        }
    }

    /// Ties, zeros of both signs, an outlier beside which all else vanishes, the smallest and the largest numbers.
    @Test(arguments: CodeVariant.available)
    func adversarialGroups(variant: CodeVariant) {
        var groups: [[Float]] = [
            (0..<32).map { $0 == 0 ? 127 : Float($0) - 15.5 },
            (0..<32).map { $0 % 2 == 0 ? 0 : -0.0 },
            (0..<32).map { $0 == 17 ? -3 : 0 },
            (0..<32).map { $0 == 31 ? 1e6 : 0.3 },
            (0..<32).map { $0 % 2 == 0 ? .greatestFiniteMagnitude : -.greatestFiniteMagnitude },
            (0..<32).map { _ in .leastNonzeroMagnitude },
            (0..<32).map { _ in Float(0x1p-100).nextDown },
            (0..<32).map { $0 < 3 ? 0x1p-100 : -0x1p-108 },
        ]
        for bad: Float in [.infinity, -.infinity, .nan, -.nan] {
            for position in [0, 13, 31] { groups.append((0..<32).map { $0 == position ? bad : 1 }) }
        }
        for group in groups { Self.check(variant, group, batch: 1, columns: 32, groupSize: 32) }
        // All together, as groups of one row and as rows; and cut short.
        let all = groups.flatMap { $0 }
        Self.check(variant, all, batch: 1, columns: all.count, groupSize: 32)
        Self.check(variant, all, batch: groups.count, columns: 32, groupSize: 32)
        Self.check(variant, all, batch: 1, columns: all.count - 5, groupSize: 32)
    }
}
