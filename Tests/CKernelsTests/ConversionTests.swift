import CKernels
import Testing

/// Conversions of every variant, every 16-bit pattern, against arithmetic in Double.
@Suite struct ConversionTests {
    static let patterns = (0...UInt16.max).map { $0 }

    /// The value of a small float with the given field widths.
    static func value(_ pattern: UInt16, exponentBits: Int, fractionBits: Int) -> Double {
        let fraction = Double(pattern & (1 << fractionBits - 1))
        let exponent = Int(pattern >> fractionBits) & (1 << exponentBits - 1)
        let bias = 1 << (exponentBits - 1) - 1
        let sign = pattern & 0x8000 == 0 ? 1.0 : -1.0
        if exponent == 1 << exponentBits - 1 { return fraction == 0 ? sign * .infinity : .nan }
        let unit = Double(sign: .plus, exponent: max(exponent, 1) - bias - fractionBits, significand: 1)
        return sign * unit * (exponent == 0 ? fraction : fraction + Double(1 << fractionBits))
    }

    @Test(arguments: Variant.available)
    func everyHalfWidensExactly(variant: Variant) {
        let x = EdgeBuffer(Self.patterns), y = EdgeBuffer<Float>(repeating: 0, count: Self.patterns.count)
        variant.kernels.halfToFloat(x.start, y.start, x.count)
        let wrong = Self.patterns.filter { pattern in
            let exact = Self.value(pattern, exponentBits: 5, fractionBits: 10), got = Double(y.start[Int(pattern)])
            return exact.isNaN ? !got.isNaN : got != exact || got.sign != exact.sign
        }
        #expect(wrong.isEmpty)

        let back = EdgeBuffer<UInt16>(repeating: 0, count: Self.patterns.count)
        variant.kernels.floatToHalf(y.start, back.start, y.count)
        let changed = Self.patterns.filter { pattern in
            let isNaN = pattern & 0x7fff > 0x7c00
            return isNaN ? back.start[Int(pattern)] & 0x7fff <= 0x7c00 : back.start[Int(pattern)] != pattern
        }
        #expect(changed.isEmpty)
    }

    @Test(arguments: Variant.available)
    func everyBfloatWidensExactly(variant: Variant) {
        let x = EdgeBuffer(Self.patterns), y = EdgeBuffer<Float>(repeating: 0, count: Self.patterns.count)
        variant.kernels.bfloatToFloat(x.start, y.start, x.count)
        let wrong = Self.patterns.filter { pattern in
            let exact = Self.value(pattern, exponentBits: 8, fractionBits: 7), got = Double(y.start[Int(pattern)])
            return exact.isNaN ? !got.isNaN : got != exact || got.sign != exact.sign
        }
        #expect(wrong.isEmpty)

        let back = EdgeBuffer<UInt16>(repeating: 0, count: Self.patterns.count)
        variant.kernels.floatToBfloat(y.start, back.start, y.count)
        let changed = Self.patterns.filter { pattern in
            let isNaN = pattern & 0x7fff > 0x7f80
            return isNaN ? back.start[Int(pattern)] & 0x7fff <= 0x7f80 : back.start[Int(pattern)] != pattern
        }
        #expect(changed.isEmpty)
    }

    /// Halfway between every two neighbours, and one float to either side of it.
    static func ties(exponentBits: Int, fractionBits: Int) -> [(input: Float, output: UInt16)] {
        let largest = UInt16((1 << exponentBits - 1) << fractionBits) - 1
        var cases: [(input: Float, output: UInt16)] = []
        for low in 0...largest {
            let a = value(low, exponentBits: exponentBits, fractionBits: fractionBits)
            // Beyond the largest finite value lies what would follow if the exponent went on.
            let b = low == largest
                ? 2 * a - value(low - 1, exponentBits: exponentBits, fractionBits: fractionBits)
                : value(low + 1, exponentBits: exponentBits, fractionBits: fractionBits)
            let middle = Float((a + b) / 2)
            guard middle.isFinite, Double(middle) == (a + b) / 2 else { continue }
            let even = low & 1 == 0 ? low : low + 1
            for (input, output) in [(middle.nextDown, low), (middle, even), (middle.nextUp, low + 1)] {
                cases.append((input, output))
                cases.append((-input, output | 0x8000))
            }
        }
        return cases
    }

    @Test(arguments: Variant.available)
    func halfTiesGoToEven(variant: Variant) {
        let cases = Self.ties(exponentBits: 5, fractionBits: 10)
        #expect(cases.count == 6 * 0x7c00)
        let x = EdgeBuffer(cases.map(\.input)), y = EdgeBuffer<UInt16>(repeating: 0, count: cases.count)
        variant.kernels.floatToHalf(x.start, y.start, x.count)
        #expect(cases.indices.filter { y.start[$0] != cases[$0].output }.isEmpty)
    }

    @Test(arguments: Variant.available)
    func bfloatTiesGoToEven(variant: Variant) {
        let cases = Self.ties(exponentBits: 8, fractionBits: 7)
        #expect(cases.count > 6 * 0x7f00)
        let x = EdgeBuffer(cases.map(\.input)), y = EdgeBuffer<UInt16>(repeating: 0, count: cases.count)
        variant.kernels.floatToBfloat(x.start, y.start, x.count)
        #expect(cases.indices.filter { y.start[$0] != cases[$0].output }.isEmpty)
    }

    /// Floats of random bits: all variants agree with the portable one in every bit, NaN included.
    @Test(arguments: Variant.available)
    func randomBitsAgreeWithPortable(variant: Variant) {
        var values = SeededValues(seed: 14)
        let special: [UInt32] = [
            0, 0x8000_0000, 0x7f80_0000, 0xff80_0000, 0x7f80_0001, 0x7fc0_0000, 0xffff_ffff, 0x7f7f_ffff, 1, 0x007f_ffff,
        ]
        let patterns = special + (0..<200_001).map { _ in UInt32(truncatingIfNeeded: values.nextBits()) }
        let x = EdgeBuffer(patterns.map(Float.init(bitPattern:)))
        let reference = tessera_kernels_portable().pointee
        let got = EdgeBuffer<UInt16>(repeating: 0, count: x.count), expected = EdgeBuffer<UInt16>(repeating: 0, count: x.count)
        variant.kernels.floatToHalf(x.start, got.start, x.count)
        reference.floatToHalf(x.start, expected.start, x.count)
        #expect(got.array == expected.array)
        variant.kernels.floatToBfloat(x.start, got.start, x.count)
        reference.floatToBfloat(x.start, expected.start, x.count)
        #expect(got.array == expected.array)
    }

    @Test(arguments: Variant.available, awkwardSizes)
    func anyLength(variant: Variant, count: Int) {
        let kernels = variant.kernels
        var values = SeededValues(seed: 15)
        let x = EdgeBuffer(values.floats(count))
        let halves = EdgeBuffer<UInt16>(repeating: 0, count: count), back = EdgeBuffer<Float>(repeating: 0, count: count)
        kernels.floatToHalf(x.start, halves.start, count)
        kernels.halfToFloat(halves.start, back.start, count)
        #expect(zip(x.array, back.array).allSatisfy { abs($0 - $1) <= 0x1p-12 })
        kernels.floatToBfloat(x.start, halves.start, count)
        kernels.bfloatToFloat(halves.start, back.start, count)
        #expect(zip(x.array, back.array).allSatisfy { abs($0 - $1) <= 0x1p-9 })
    }
}
