import CKernels
import Foundation

/// What this process may compute on.
public enum Processors {
    /// Processors the system lets this process use at once: its affinity mask and, on Linux, the quota of its control group.
    public static let usable: Int = {
        let active = max(1, ProcessInfo.processInfo.activeProcessorCount)
        return min(active, controlGroupQuota ?? active)
    }()

    /// Physical cores among those. Two threads on one core share its arithmetic units, so kernels gain nothing from a second.
    /// On Apple processors the fast cores alone: work is cut evenly, and would wait for the slow ones.
    public static let cores: Int = min(usable, physicalCores ?? usable)

    #if os(Linux)
    private static var physicalCores: Int? {
        var allowed = [Int32](repeating: 0, count: 1024)
        let count = min(tessera_allowed_processors(&allowed, allowed.count), allowed.count)
        var cores: Set<[Int]> = []
        for processor in allowed[..<count] {
            let topology = "/sys/devices/system/cpu/cpu\(processor)/topology/"
            guard let package = integer(topology + "physical_package_id"), let core = integer(topology + "core_id")
            else { return nil }
            cores.insert([package, core])
        }
        return cores.isEmpty ? nil : cores.count
    }

    /// The whole processors that "quota period" of cpu.max stand for, rounded up.
    private static var controlGroupQuota: Int? {
        guard let text = try? String(contentsOfFile: "/sys/fs/cgroup/cpu.max", encoding: .utf8) else { return nil }
        let fields = text.split(whereSeparator: \.isWhitespace).map { Int($0) }
        guard fields.count == 2, let quota = fields[0], let period = fields[1], quota > 0, period > 0 else { return nil }
        return max(1, quota / period + (quota % period == 0 ? 0 : 1))
    }

    private static func integer(_ path: String) -> Int? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        return Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }
    #elseif canImport(Darwin)
    private static var physicalCores: Int? {
        for name in ["hw.perflevel0.physicalcpu", "hw.physicalcpu"] {
            var count: Int32 = 0
            var size = MemoryLayout<Int32>.size
            if sysctlbyname(name, &count, &size, nil, 0) == 0, count > 0 { return Int(count) }
        }
        return nil
    }
    private static var controlGroupQuota: Int? { nil }
    #else
    private static var physicalCores: Int? { nil }
    private static var controlGroupQuota: Int? { nil }
    #endif
}
