import Foundation

/// What the operating system calls this machine's processor; figures of speed are worth nothing without it.
package enum ProcessorName {
    package static var current: String {
        #if canImport(Darwin)
            var size = 0
            guard sysctlbyname("machdep.cpu.brand_string", nil, &size, nil, 0) == 0, size > 1 else {
                return "unknown processor"
            }
            var bytes = [UInt8](repeating: 0, count: size)
            guard sysctlbyname("machdep.cpu.brand_string", &bytes, &size, nil, 0) == 0 else {
                return "unknown processor"
            }
            return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        #else
            // A file of the kernel's own: it states no size, so it is read to its end.
            guard let file = FileHandle(forReadingAtPath: "/proc/cpuinfo"), let data = try? file.readToEnd()
            else {
                return "unknown processor"
            }
            let fields = String(decoding: data, as: UTF8.self).split(separator: "\n").lazy.map {
                $0.split(separator: ":", maxSplits: 1)
            }
            for key in ["model name", "Hardware", "CPU part"] {
                if let field = fields.first(where: {
                    $0.count == 2 && $0[0].trimmingCharacters(in: .whitespaces) == key
                }) {
                    return field[1].trimmingCharacters(in: .whitespaces)
                }
            }
            return "unknown processor"
        #endif
    }
}
