import Foundation
import Testing

/// A mistake gives one line on standard error, nothing on standard output, and a status from sysexits.h.
@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct ErrorLineTests {
    struct Mistake: CustomTestStringConvertible, Sendable {
        let arguments: [String]
        let status: Int32
        let line: String
        var testDescription: String { arguments.joined(separator: " ") }

        init(_ arguments: String, _ status: Int32, _ line: String) {
            self.arguments = arguments.split(separator: " ").map(String.init)
            self.status = status
            self.line = line
        }
    }

    static let tiny = CommandLineTool.tinyLlama
    static let mistakes = [
        Mistake("inspect nowhere", 66, "error: nowhere: not a model folder: no such folder"),
        Mistake("inspect README.md", 66, "error: README.md: not a model folder: it is a file"),
        Mistake("inspect Sources", 66, "error: Sources: not a model folder: config.json is missing"),
        Mistake("inspect \(tiny) --only nothing", 64, "error: pattern 'nothing' matches no matrix of the model (see 'tessera inspect')"),
        Mistake("families --colour", 64, "error: Unknown option '--colour'"),
        Mistake("inspect \(tiny) --threads 0", 64, "error: --threads: expected at least 1, got 0"),
        Mistake("embed \(tiny)", 64, "error: \(tiny): embed needs an encoder, got a causal language model"),
        Mistake("eval \(tiny)", 64, "error: eval: expected --text FILE or --sts FILE"),
        Mistake("eval \(tiny) --text a --sts b", 64, "error: --text and --sts exclude each other"),
        Mistake("eval \(tiny) --text a --control", 64, "error: --control: is made from the original, named by --against"),
        Mistake("eval \(tiny) --against \(tiny) --text Examples/evaluation-prose.txt --control --quiet", 64, "error: --control: no matrix of \(tiny) has another size than in \(tiny)"),
        Mistake("sweep \(tiny) --calibration self -o /nowhere/out --sizes 50%,half", 64, "error: budget 'half': expected a share such as 50% or 0.5"),
        Mistake("sweep \(tiny) --calibration self -o /nowhere/out --sizes ,", 64, "error: --sizes: expected names separated by commas, got ','"),
        Mistake("sweep \(tiny) --calibration self -o /nowhere/out --memory lots", 64, "error: memory 'lots': expected a number of bytes such as 800M or 12G"),
        Mistake("sweep \(tiny) --calibration self -o /nowhere/out --allocator ,", 64, "error: --allocator: expected names separated by commas, got ','"),
        Mistake("sweep \(tiny) --calibration self -o /nowhere/out --objective fisher", 64, "error: --objective: expected one of activations, frobenius, got 'fisher'"),
        Mistake("sweep \(tiny) --calibration self -o /nowhere/out --fronts blast", 64, "error: family 'blast' is fitted near sizes that other families chose, so it has no front of its own"),
        Mistake("sweep \(tiny) --calibration self -o /nowhere/out --timed 0", 64, "error: --timed: expected numbers from 1 to 4096, separated by commas, got '0'"),
        Mistake("sweep \(tiny) --calibration self -o Examples --timed none", 73, "error: \(CommandLineTool.packageRoot.path)/Examples: exists and is not empty"),
        Mistake("bench compression \(tiny) -o /nowhere/b", 64, "error: bench compression: expected --text FILE or --sts FILE"),
        Mistake("bench compression --markdown -o nowhere.json", 66, "error: nowhere.json: cannot be read: No such file or directory"),
        Mistake("eval \(tiny) --sts Examples/README.md", 64, "error: \(tiny): eval --sts needs an encoder, got a causal language model"),
        Mistake("eval \(tiny) --text nowhere", 66, "error: nowhere: cannot be read: no such file"),
        Mistake("eval \(tiny) --text Examples", 66, "error: Examples: cannot be read: it is a folder"),
        Mistake("eval \(tiny) --text \(tiny)/model.safetensors", 65, "error: \(tiny)/model.safetensors: it is not UTF-8 text"),
        Mistake("eval \(tiny) --text Examples/README.md --window 1", 64, "error: a window has from 2 to 256 tokens with this model, got 1"),
        Mistake("eval \(tiny) --text Examples/README.md --window 257", 64, "error: a window has from 2 to 256 tokens with this model, got 257"),
        Mistake("run \(tiny) --prompt a --top-p 0", 64, "error: --top-p: expected a number above 0, at most 1, got 0.0"),
        Mistake("run \(tiny) --prompt a --temperature=-1", 64, "error: --temperature: expected a number from 0, got -1.0"),
        Mistake("run \(tiny) --prompt a --max-tokens 0", 64, "error: --max-tokens: expected at least 1, got 0"),
        Mistake("run \(tiny)", 64, "error: Missing expected argument '--prompt <text>'"),
        Mistake("export \(tiny) -o /nowhere/out", 64, "error: export: expected --dense, the only form there is so far"),
        Mistake("export \(tiny) --dense -o Examples", 73, "error: \(CommandLineTool.packageRoot.path)/Examples: exists and is not empty (--force replaces it)"),
        Mistake("export \(tiny) --dense -o /nowhere/out", 73, "error: /nowhere/out: cannot be written: No such file or directory"),
        Mistake("export \(tiny) --dense -o out --precision f8", 64, "error: The value 'f8' is invalid for '--precision <precision>'. Please provide one of 'f32', 'f16' or 'bf16'."),
        Mistake("bench \(tiny) --rounds 0", 64, "error: --rounds: expected 1 to 1000000, got 0"),
        Mistake("bench \(tiny) --prompt-tokens 250", 64, "error: --prompt-tokens 250 and --new-tokens 32 are more than the 256 positions of the models"),
        Mistake("bench families \(tiny) --sts a -o /nowhere/b", 64, "error: \(tiny): bench families needs an encoder, got a causal language model"),
        Mistake("bench families nowhere --sts a -o /nowhere/b", 66, "error: nowhere: not a model folder: no such folder"),
        Mistake("bench families \(tiny) --sts a -o b --bits 0", 64, "error: --bits: expected numbers from 1 to 16, separated by commas, got '0'"),
        Mistake("bench families \(tiny) --sts a -o b --again ,", 64, "error: --again: expected names separated by commas, got ','"),
        Mistake("families --results a", 64, "error: families: --results is for --markdown"),
        Mistake("bench kernels --shapes 1024", 64, "error: --shapes: expected shapes such as 1024x4096 (rows x columns, each from 1 to 65536), separated by commas, got '1024'"),
        Mistake("bench kernels --batch 0", 64, "error: --batch: expected numbers from 1 to 16384, separated by commas, got '0'"),
        Mistake("bench kernels --threads 1,,2", 64, "error: --threads: expected numbers from 1 to 4096, separated by commas, got '1,,2'"),
        Mistake("bench kernels --precision f8", 64, "error: --precision: expected some of f32, f16, bf16, separated by commas, got 'f8'"),
        Mistake("bench kernels --size 0%", 64, "error: --size: expected a share such as 50% or 0.5, got '0%'"),
        Mistake("bench kernels --seconds 0", 64, "error: --seconds: expected a number above 0, at most 3600, got 0.0"),
        Mistake("bench make-model out --kind llama --parameters 7B", 64, "error: --parameters: expected one of 15M, 110M, 1B for llama, got '7B'"),
        Mistake("bench --make-model out --kind gpt --parameters 7B", 64, "error: The value 'gpt' is invalid for '--kind <kind>'. Please provide one of 'llama' and 'bert'."),
        Mistake("bench make-model Examples --kind llama --parameters 15M", 73, "error: \(CommandLineTool.packageRoot.path)/Examples: exists and is not empty (--force replaces it)"),
        Mistake("compress \(tiny) --size 0% --calibration self -o /nowhere/out", 64, "error: budget '0%': expected more than 0% and at most 100%"),
        Mistake("compress \(tiny) --size 50% --calibration self --families , -o /nowhere/out", 64, "error: --families: expected names separated by commas, got ','"),
        Mistake(
            "compress \(tiny) --plan README.md --latency 60% --calibration self -o /nowhere/out", 64,
            "error: --plan says what to keep: it excludes --latency"),
        Mistake(
            "compress \(tiny) --size 50% --macs 50% --latency 0.6x --calibration self -o /nowhere/out", 64,
            "error: two budgets at most, got --size, --macs, --latency"),
        Mistake(
            "compress \(tiny) --latency 2x --calibration self -o /nowhere/out", 64,
            "error: budget '2x': expected more than 0% and at most 100%"),
        Mistake(
            "compress \(tiny) --latency fast --calibration self -o /nowhere/out", 64,
            "error: budget 'fast': expected a share such as 60%, 0.6 or 0.6x"),
        Mistake(
            "compress \(tiny) --latency 0.6x --batch 0 --calibration self -o /nowhere/out", 64,
            "error: --batch: expected 1 to 4096, got 0"),
        Mistake(
            "compress \(tiny) --size 50% --batch 64 --calibration self -o /nowhere/out", 64,
            "error: --batch is for --latency"),
        Mistake("compress \(tiny) --size half --calibration self -o /nowhere/out", 64, "error: budget 'half': expected a share such as 50% or 0.5"),
    ]

    @Test(arguments: mistakes)
    func mistakesGiveOneLine(mistake: Mistake) throws {
        let result = try CommandLineTool.run(mistake.arguments)
        #expect(result.errors == mistake.line + "\n")
        #expect(result.status == mistake.status)
        #expect(result.output.isEmpty)
    }

    static let hostilePlans = [
        ("blast", #"{"blocks": 2147483647, "rank": 2147483647}"#, "option 'blocks': expected 1 to 384, got 2147483647"),
        ("blast", #"{"blocks": 128, "rank": 384}"#, "blast blocks=128 rank=384 has 6488064 parameters, more than twice the 49152 of the matrix"),
        ("low-rank", #"{"rank": 0}"#, "option 'rank': expected 1 to 384, got 0"),
        ("low-rank", "{}", "expected the options of low-rank (rank), got none"),
        ("dense", #"{"rank": 1}"#, "expected the options of dense (none), got rank"),
        ("circulant", "{}", "unknown family 'circulant'"),
    ]

    @Test(arguments: hostilePlans)
    func plansEditedByHandAreChecked(family: String, options: String, reason: String) throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let name = "model.layers.0.self_attn.k_proj"
            let plan = folder.appendingPathComponent("plan.json").path
            let entry = #"{"name": "\#(name)", "shape": [128, 384], "family": "\#(family)", "options": \#(options), "#
                + #""parameters": 1, "bytes": 1, "multiply_adds": 1, "relative_error": 0}"#
            try Data(#"{"tessera_plan": 1, "matrices": [\#(entry)]}"#.utf8).write(to: URL(fileURLWithPath: plan))
            let result = try CommandLineTool.run(
                "compress", Self.tiny, "--only", name, "--plan", plan, "--calibration", "self",
                "-o", folder.appendingPathComponent("out").path)
            #expect(result.errors == "error: \(plan): the plan does not fit this model: '\(name)': \(reason)\n")
            #expect(result.status == 65)
        }
    }

    @Test func anEmptyOutputIsRefusedBeforeAnyWork() throws {
        let result = try CommandLineTool.run("compress", Self.tiny, "--size", "50%", "--calibration", "self", "-o", "")
        #expect(result.errors == "error: --output: expected a path, got none\n")
        #expect(result.status == 64)
    }

    @Test func emptyTextsAreRefused() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("empty.txt").path
            try Data(" \n\n".utf8).write(to: URL(fileURLWithPath: file))
            let result = try CommandLineTool.run("eval", Self.tiny, "--text", file)
            #expect(result.errors == "error: \(file): holds no text\n")
            #expect(result.status == 65)
        }
    }

    @Test(.enabled(if: CommandLineTool.miniLM != nil, "\(CommandLineTool.miniLMSkipReason)"))
    func encodersAreToldWhatTheyCanDo() throws {
        let encoder = try #require(CommandLineTool.miniLM)
        let perplexity = try CommandLineTool.run("eval", encoder, "--text", "Examples/README.md")
        #expect(
            perplexity.errors == "error: \(encoder): eval --text needs a causal language model "
                + "(encoders: --sts FILE, or --against FOLDER), got an encoder\n")
        #expect(perplexity.status == 64)
        let text = try CommandLineTool.run("run", encoder, "--prompt", "Hello")
        #expect(text.errors == "error: \(encoder): run needs a causal language model, got an encoder\n")
        #expect(text.status == 64)
    }

    @Test(.enabled(if: CommandLineTool.miniLM != nil, "\(CommandLineTool.miniLMSkipReason)"))
    func badScoresNameTheLine() throws {
        let encoder = try #require(CommandLineTool.miniLM)
        try CommandLineTool.withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("pairs.csv").path
            try Data("A cat.,A dog.,3\nA cat.,A dog.\n".utf8).write(to: URL(fileURLWithPath: file))
            let result = try CommandLineTool.run("eval", encoder, "--sts", file)
            #expect(result.errors == "error: \(file), line 2: expected 3 fields (sentence,sentence,score), got 2\n")
            #expect(result.status == 65)
            #expect(result.output.isEmpty)
        }
    }
}
