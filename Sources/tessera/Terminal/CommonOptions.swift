import ArgumentParser
import Tensors

struct CommonOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Threads to use; the results do not depend on it.", valueName: "n"))
    var threads: Int?

    @Flag(help: "No progress on standard error.")
    var quiet = false

    @Flag(help: "Results as JSON.")
    var json = false

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads: expected at least 1, got \(threads)") }
    }

    var context: ExecutionContext { ExecutionContext(threads: threads) }
}
