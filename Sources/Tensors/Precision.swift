/// How a factor's numbers are stored. Computation is in `Float` whatever the precision.
public enum Precision: String, Sendable, CaseIterable, Codable {
    case f32, f16, bf16

    public var elementType: ElementType {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        }
    }

    public init?(elementType: ElementType) {
        switch elementType {
        case .f32: self = .f32
        case .f16: self = .f16
        case .bf16: self = .bf16
        default: return nil
        }
    }

    /// The value a number has after being stored and read back (round to nearest, ties to even).
    public func rounded(_ value: Float) -> Float {
        self == .f32 ? value : decode(encode(value))
    }

    /// `rounded` of every value.
    public func rounded(_ values: [Float]) -> [Float] {
        self == .f32 ? values : values.map { decode(encode($0)) }
    }

    /// The 16-bit pattern of a value (f16 and bf16 only; f32 has no 16-bit form and is treated as bf16).
    func encode(_ value: Float) -> UInt16 {
        if self == .f16 { return HalfFloat.bits(of: value) }
        if value.isNaN { return UInt16(truncatingIfNeeded: value.bitPattern >> 16) | 0x40 }
        let bits = value.bitPattern
        return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ ((bits >> 16) & 1)) >> 16)
    }

    func decode(_ bits: UInt16) -> Float {
        self == .f16 ? HalfFloat.value(of: bits) : Float(bitPattern: UInt32(bits) << 16)
    }
}

/// IEEE 754 binary16 by bit patterns; Swift's `Float16` is missing on Intel Macs.
package enum HalfFloat {
    package static func value(of bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10) & 0x1F
        let fraction = UInt32(bits & 0x3FF)
        switch exponent {
        case 0: return Float(bitPattern: sign | (Float(fraction) * 0x1p-24).bitPattern)
        case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
        default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }

    package static func bits(of value: Float) -> UInt16 {
        let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
        let magnitude = value.magnitude
        if value.isNaN { return sign | 0x7E00 }
        if magnitude >= 65520 { return sign | 0x7C00 }
        // Below the smallest normal half every step is 2^-24: adding 0.5 aligns and rounds in hardware.
        if magnitude < 0x1p-14 {
            return sign | UInt16(truncatingIfNeeded: (magnitude + 0.5).bitPattern &- Float(0.5).bitPattern)
        }
        let bits = magnitude.bitPattern
        let rounded = bits &+ 0xFFF &+ ((bits >> 13) & 1)
        return sign | UInt16(truncatingIfNeeded: (rounded &- (112 << 23)) >> 13)
    }
}
