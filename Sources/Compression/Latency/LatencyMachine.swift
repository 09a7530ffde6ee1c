import Benchmarking
import Foundation
import ModelFiles
import Tensors

/// What a measured time holds for: another processor, instruction set, number of threads or set of kernels
/// has other times.
public struct LatencyMachine: Sendable, Hashable, CustomStringConvertible {
    /// What the operating system calls the processor.
    public var processor: String
    /// The table of kernels in use: "avx512", "avx2", "neon", "portable".
    public var instructionSet: String
    public var threads: Int
    /// Of the kernels; raised when they change speed.
    public var kernels: Int

    public static let currentKernels = 4
    static let mostThreads = 1 << 16

    public init(
        processor: String, instructionSet: String, threads: Int, kernels: Int = currentKernels
    ) {
        self.processor = processor
        self.instructionSet = instructionSet
        self.threads = threads
        self.kernels = kernels
    }

    /// The one this program runs on.
    public static func current(threads: Int) -> LatencyMachine {
        LatencyMachine(
            processor: ProcessorName.current,
            instructionSet: String(cString: Kernels.best.name),
            threads: threads)
    }

    public var description: String {
        "\(processor), \(instructionSet), \(threadsText), kernels \(kernels)"
    }

    /// "1 thread", "2 threads".
    var threadsText: String { "\(threads) \(threads == 1 ? "thread" : "threads")" }

    var json: JSONValue {
        [
            "processor": .string(processor), "instruction_set": .string(instructionSet),
            "threads": .integer(Int64(threads)), "kernels": .integer(Int64(kernels)),
        ]
    }

    /// Where the table of this machine is cached: `$XDG_CACHE_HOME/tessera` or `~/.cache/tessera`;
    /// `~/Library/Caches/tessera` on Apple's systems.
    public var cacheFile: String {
        var name = Fingerprint()
        name.add(description)
        return Self.cacheFolder.appending(path: "latency-\(name.text.prefix(16)).json").path
    }

    private static var cacheFolder: URL {
        #if canImport(Darwin)
            let caches = URL.homeDirectory.appending(path: "Library/Caches")
        #else
            var caches = URL.homeDirectory.appending(path: ".cache")
            // The specification has relative paths ignored.
            if let path = ProcessInfo.processInfo.environment["XDG_CACHE_HOME"], path.hasPrefix("/") {
                caches = URL(filePath: path, directoryHint: .isDirectory)
            }
        #endif
        return caches.appending(path: "tessera")
    }
}
