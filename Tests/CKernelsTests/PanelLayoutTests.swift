import CKernels
import Testing

@Suite struct PanelLayoutTests {
    static let sizes = [0, 1, 2, 3, 15, 16, 17, 48, 63, 64, 65, 100, 128, 200]

    /// Numbers all formats hold exactly come back as they were, and the gaps between the rows of the target stay.
    @Test(arguments: panelFormats)
    func roundTripIsExact(format: tessera_panel_format) {
        var source = SeededValues(seed: 31)
        for rows in Self.sizes {
            for columns in [0, 1, 2, 3, 16, 33] {
                let values = (0..<rows * columns).map { _ in Float(Int8(truncatingIfNeeded: source.nextBits())) / 4 }
                let packed = EdgeBuffer<UInt8>(repeating: 1, count: tessera_panel_bytes(format, rows, columns))
                tessera_pack(format, values, columns, rows, columns, packed.start)
                let stride = columns + 3
                var target = [Float](repeating: 7, count: max(0, rows * stride))
                tessera_unpack(format, packed.start, &target, stride, rows, columns)
                for row in 0..<rows {
                    for column in 0..<stride {
                        let expected = column < columns ? values[row * columns + column] : 7
                        #expect(target[row * stride + column] == expected)
                    }
                }
            }
        }
    }

    @Test func roundsToNearestEven() {
        // One unit in the last place of a number near 1 is 2^-10 in binary16 and 2^-7 in bfloat16.
        let ties: [(tessera_panel_format, Float)] = [(TESSERA_PANEL_F16, 0x1p-11), (TESSERA_PANEL_BF16, 0x1p-8)]
        for (format, half) in ties {
            let values = [1 + half, 1 + 3 * half, 1 + half.nextUp * 1.5, -1 - half, .infinity]
            let weights = PackedWeights(format, rows: 5, columns: 1, values: values)
            #expect(weights.values == [1, 1 + 4 * half, 1 + 2 * half, -1, .infinity])
        }
    }

    /// The layout as the header states it: files may hold it.
    @Test(arguments: panelFormats)
    func elementsLieWhereTheHeaderSays(format: tessera_panel_format) {
        let rows = 70, columns = 5, laidOut = format == TESSERA_PANEL_BF16 ? 6 : 5
        let values = (0..<rows * columns).map { Float($0 % 251 + 1) }
        let weights = PackedWeights(format, rows: rows, columns: columns, values: values)
        let bytes = format == TESSERA_PANEL_F32 ? 4 : 2
        #expect(weights.packed.count == (64 + 16) * laidOut * bytes)
        var seen = Set<Int>()
        for row in 0..<rows {
            let height = row < 64 ? 64 : 16, r = row % 64
            for k in 0..<columns {
                let inner = format == TESSERA_PANEL_BF16 ? k / 2 * 2 * height + 2 * r + k % 2 : k * height + r
                let index = row / 64 * 64 * laidOut + inner
                seen.insert(index)
                #expect(Self.element(format, weights.packed.array, index) == values[row * columns + k])
            }
        }
        // Everything else is padding.
        for index in 0..<80 * laidOut where !seen.contains(index) {
            #expect(Self.element(format, weights.packed.array, index) == 0)
        }
    }

    static func element(_ format: tessera_panel_format, _ bytes: [UInt8], _ index: Int) -> Float {
        func word(_ at: Int) -> UInt32 { UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 }
        switch format {
        case TESSERA_PANEL_F32: return Float(bitPattern: word(4 * index) | word(4 * index + 2) << 16)
        case TESSERA_PANEL_BF16: return Float(bitPattern: word(2 * index) << 16)
        default:
            var half = UInt16(word(2 * index)), value: Float = 0
            tessera_kernels_portable().pointee.halfToFloat(&half, &value, 1)
            return value
        }
    }

    @Test func tablesAnswerToTheirNames() {
        for variant in PanelVariant.available { #expect(String(cString: variant.kernels.name) == variant.name) }
        #expect(tessera_panels_named("mmx") == nil)
        #expect(tessera_panels_best() == tessera_panels_named(PanelVariant.available.last?.name ?? ""))
    }
}
