import Foundation

/// The program as `swift build -c release` leaves it, run as a user runs it.
enum CommandLineTool {
    static let packageRoot = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static let binary = packageRoot.appendingPathComponent(".build/release/tessera")

    /// Tests are skipped where the program has not been built.
    static let isBuilt = FileManager.default.isExecutableFile(atPath: binary.path)
    static let skipReason = ".build/release/tessera is not there: swift build -c release --product tessera"

    /// Open MPI's, nil where it is not installed.
    static let launcher = ["/usr/bin", "/usr/local/bin"].map { $0 + "/mpirun" }
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    static let tinyLlama = "Models/tiny-llama"

    /// all-MiniLM-L6-v2, nil where it has not been fetched.
    static let miniLM: String? = {
        let path = ProcessInfo.processInfo.environment["TESSERA_MINILM"]
            ?? packageRoot.appendingPathComponent(".demo/minilm").path
        return FileManager.default.fileExists(atPath: path + "/config.json") ? path : nil
    }()
    static let miniLMSkipReason = "all-MiniLM-L6-v2 is not there: set TESSERA_MINILM, or Scripts/fetch-minilm .demo/minilm"

    /// The folder of texts that may not ship, nil where it is absent.
    static let sharedData: URL? = {
        let shared = ProcessInfo.processInfo.environment["TESSERA_DATA"].map { URL(fileURLWithPath: $0) }
            ?? packageRoot.deletingLastPathComponent().appendingPathComponent("shared")
        let folder = shared.appendingPathComponent("data")
        return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
    }()
    static let sharedDataSkipReason = "the texts for measuring are not there: set TESSERA_DATA to the folder that holds data/"

    struct Result {
        let status: Int32
        let output: String
        let errors: String

        /// The document that `--json` wrote.
        var json: Any { get throws { try JSONSerialization.jsonObject(with: Data(output.utf8), options: .fragmentsAllowed) } }

        /// A number deep in that document.
        func number(_ keys: String...) throws -> Double? {
            var value: Any? = try json
            for key in keys { value = (value as? [String: Any])?[key] }
            return (value as? NSNumber)?.doubleValue
        }
    }

    private static let environment: [String: String] = {
        var environment = ProcessInfo.processInfo.environment
        // Help is wrapped to the terminal; here it has 80 columns.
        environment["COLUMNS"] = "80"
        // Some environments set these; the program says so, which is no part of what the tests compare, and the library's
        // numbers are others with them.
        for name in ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"] { environment[name] = nil }
        return environment
    }()

    /// Runs the program in the package's folder with nothing but these arguments and input.
    static func run(_ arguments: String..., input: String = "") throws -> Result { try run(arguments, input: input) }

    /// - Parameters:
    ///   - launcher: a program and its arguments that start the program.
    ///   - and: what stands between those arguments and a second start of the program with `others`.
    static func run(
        _ arguments: [String], input: String = "", under launcher: [String] = [], and separator: [String] = [],
        _ others: [String] = []
    ) throws -> Result {
        try withTemporaryFolder { folder in
            // Files, not pipes: nothing can fill up while no one reads.
            let streams = try ["in", "out", "err"].map { name -> FileHandle in
                let file = folder.appendingPathComponent(name)
                try Data(name == "in" ? input.utf8 : "".utf8).write(to: file)
                return try FileHandle(forUpdating: file)
            }
            let process = Process()
            let program = URL(fileURLWithPath: launcher.first ?? binary.path)
            process.executableURL = program
            process.currentDirectoryURL = packageRoot
            let second = separator.isEmpty ? [] : separator + [binary.path] + others
            process.arguments =
                launcher.isEmpty ? arguments : launcher.dropFirst() + [binary.path] + arguments + second
            process.environment = environment
            process.standardInput = streams[0]
            process.standardOutput = streams[1]
            process.standardError = streams[2]
            try process.run()
            process.waitUntilExit()
            func text(_ name: String) throws -> String {
                String(decoding: try Data(contentsOf: folder.appendingPathComponent(name)), as: UTF8.self)
            }
            return Result(status: process.terminationStatus, output: try text("out"), errors: try text("err"))
        }
    }

    /// Starts the program and kills it (SIGKILL) after so many seconds.
    /// - Returns: whether it was killed; false where it had ended by itself.
    static func runKilled(_ arguments: [String], after seconds: Double) throws -> Bool {
        let process = Process()
        process.executableURL = binary
        process.currentDirectoryURL = packageRoot
        process.arguments = arguments
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        Thread.sleep(forTimeInterval: seconds)
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        return process.terminationReason == .uncaughtSignal
    }

    /// A folder that is there during the call.
    static func withTemporaryFolder<Value>(_ body: (URL) throws -> Value) throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-cli-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder)
    }
}
