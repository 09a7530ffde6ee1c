import Foundation

/// The memory that the process keeps in the machine, as Linux tells it; nil elsewhere.
package enum ResidentMemory {
    /// Bytes by which the resident memory grew at its peak while `body` ran, over what it was before. Memory that others of
    /// this process's threads take meanwhile counts too. Nil where the system does not tell.
    package static func growth<Value>(_ body: () throws -> Value) rethrows -> (value: Value, bytes: Int?) {
        giveBackFreed()
        let canTell = resetPeak()
        let before = field("VmRSS")
        let value = try body()
        guard canTell, let before, let peak = field("VmHWM") else { return (value, nil) }
        return (value, max(0, peak - before))
    }

    /// Bytes of the process at its peak so far. Nil where the system does not tell.
    package static var peak: Int? { field("VmHWM") }

    /// What was freed and is still kept would hide what is taken anew. The C library's malloc_trim, where there is one: its
    /// header is not among those that Swift imports.
    private static func giveBackFreed() {
        guard let symbol = dlsym(nil, "malloc_trim") else { return }
        typealias Trim = @convention(c) (Int) -> Int32
        _ = unsafeBitCast(symbol, to: Trim.self)(0)
    }

    /// From now on blocks of 4 MiB and more go back to the system when they are freed, instead of waiting for the next of
    /// their size: the C library's mallopt, where there is one.
    package static func returnLargeBlocks() {
        guard let symbol = dlsym(nil, "mallopt") else { return }
        typealias Option = @convention(c) (Int32, Int32) -> Int32
        let (trimThreshold, mapThreshold) = (Int32(-1), Int32(-3))
        let option = unsafeBitCast(symbol, to: Option.self)
        _ = option(mapThreshold, 4 << 20)
        _ = option(trimThreshold, 4 << 20)
    }

    /// Makes the present size the peak.
    private static func resetPeak() -> Bool {
        guard let file = FileHandle(forWritingAtPath: "/proc/self/clear_refs") else { return false }
        defer { try? file.close() }
        return (try? file.write(contentsOf: Data("5".utf8))) != nil
    }

    /// A field of /proc/self/status, which counts in units of 1024 bytes.
    private static func field(_ name: String) -> Int? {
        guard let file = FileHandle(forReadingAtPath: "/proc/self/status"), let data = try? file.readToEnd() else {
            return nil
        }
        defer { try? file.close() }
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") where line.hasPrefix(name + ":") {
            return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
        }
        return nil
    }
}
