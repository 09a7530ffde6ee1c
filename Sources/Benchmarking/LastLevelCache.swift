import Foundation

/// The largest cache of this machine, which weights must exceed to be read from memory.
package enum LastLevelCache {
    /// Bytes; 32 MB where the system does not say.
    package static let byteCount: Int = reported ?? 32 << 20

    private static var reported: Int? {
        #if canImport(Darwin)
            for name in ["hw.l3cachesize", "hw.perflevel0.l2cachesize", "hw.l2cachesize"] {
                var size: Int64 = 0
                var length = MemoryLayout<Int64>.size
                if sysctlbyname(name, &size, &length, nil, 0) == 0, size > 0 { return Int(size) }
            }
            return nil
        #else
            let sizes = (0..<8).compactMap { index -> Int? in
                let path = "/sys/devices/system/cpu/cpu0/cache/index\(index)/size"
                guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
                return bytes(text)
            }
            return sizes.max()
        #endif
    }

    /// The number in texts such as "36608K".
    package static func bytes(_ text: String) -> Int? {
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        let units = ["K": 10, "M": 20, "G": 30]
        guard let last = text.last, let count = Int(text.prefix { $0.isNumber }), count > 0 else {
            return nil
        }
        if last.isNumber { return count }
        guard let shift = units[String(last)] else { return nil }
        let (product, overflow) = count.multipliedReportingOverflow(by: 1 << shift)
        return overflow ? nil : product
    }
}
