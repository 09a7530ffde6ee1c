import Testing

import Tensors

@Suite struct PrecisionTests {
    @Test func everyHalfPatternSurvivesARoundTrip() {
        for bits in UInt16.min...UInt16.max {
            let value = HalfFloat.value(of: bits)
            if value.isNaN {
                #expect(HalfFloat.value(of: HalfFloat.bits(of: value)).isNaN)
            } else if HalfFloat.bits(of: value) != bits {
                Issue.record("pattern \(bits) came back as \(HalfFloat.bits(of: value))")
            }
        }
    }

    #if !(os(macOS) && arch(x86_64))
    @Test func roundingAgreesWithTheHardwareType() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<200_000 {
            let value = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
            guard !value.isNaN else { continue }
            let expected = Float16(value).bitPattern
            if HalfFloat.bits(of: value) != expected {
                Issue.record("\(value): \(HalfFloat.bits(of: value)) is not \(expected)")
            }
        }
    }
    #endif

    @Test func bfloatRoundsTiesToEven() {
        #expect(Precision.bf16.rounded(Float(bitPattern: 0x3F80_8000)) == Float(bitPattern: 0x3F80_0000))
        #expect(Precision.bf16.rounded(Float(bitPattern: 0x3F81_8000)) == Float(bitPattern: 0x3F82_0000))
        #expect(Precision.bf16.rounded(.greatestFiniteMagnitude) == .infinity)
        #expect(Precision.bf16.rounded(.nan).isNaN)
    }

    @Test(arguments: [ElementType.f64, .f32, .f16, .bf16])
    func tensorsGiveBackWhatTheyStore(type: ElementType) throws {
        let values: [Float] = [0, -0.5, 1, 1024, -3.5, 0.0625]
        let tensor = try Tensor(values, shape: [2, 3], elementType: type)
        #expect(tensor.byteCount == 6 * type.byteCount)
        #expect(try tensor.floats() == values)
        #expect(try tensor.matrix()[1, 0] == 1024)
    }

    @Test func shapesThatOverflowOrDisagreeAreErrors() {
        #expect(throws: TensorError.shapeOverflow(shape: [1 << 40, 1 << 40])) {
            try Tensor(elementType: .f32, shape: [1 << 40, 1 << 40], bytes: [])
        }
        #expect(throws: TensorError.byteCountMismatch(elementType: .f32, shape: [2], expected: 8, got: 4)) {
            try Tensor(elementType: .f32, shape: [2], bytes: [0, 0, 0, 0])
        }
        #expect(throws: TensorError.shapeOverflow(shape: [-1])) {
            try Tensor(elementType: .f32, shape: [-1], bytes: [])
        }
    }
}
