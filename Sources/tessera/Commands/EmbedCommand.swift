import ArgumentParser
import Tensors
import Transformers

struct EmbedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Turns lines of text, or images, into embeddings with an encoder.",
        discussion: """
            Writes one JSON array per line of input, in order, each number in the shortest form that reads back the same. \
            Lines longer than the model takes are cut; how many is said on standard error. A model of images reads a .npy file \
            of images x channels x height x width, as its preprocessing leaves them.

            Example:
              tessera embed MINILM --input sentences.txt > embeddings.jsonl
            """)

    @Argument(help: "Model folder.")
    var model: String

    @Option(help: ArgumentHelp("Lines of text, standard input without it; or images.", valueName: "file"))
    var input: String?

    @Option(help: ArgumentHelp("Lines or images embedded together.", valueName: "n"))
    var batch = 32

    @OptionGroup var runtime: RuntimeOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        if batch < 1 { throw ValidationError("--batch: expected at least 1, got \(batch)") }
    }

    func run() throws {
        var loaded = try ReadyModel.open(model, runtime, context: common.context).loaded
        if loaded.model is any ImageModel { return try embedImages(&loaded) }
        let encoder = try loaded.encoder(for: "embed")
        var reader = try LineReader(path: input)
        var cut = 0
        var lines: [String] = []
        var isEmpty = true
        while let line = try reader.next() {
            isEmpty = false
            lines.append(line)
            if lines.count == batch { try embed(&lines, loaded, encoder, &cut) }
        }
        if isEmpty { throw CommandError.emptyText(path: input ?? "standard input") }
        try embed(&lines, loaded, encoder, &cut)
        if cut > 0, !common.quiet {
            let lines = cut == 1 ? "1 line was" : "\(cut) lines were"
            let end = cut == 1 ? "was cut" : "were cut"
            standardError("\(lines) longer than \(encoder.maximumTokens) tokens and \(end)\n")
        }
    }

    private func embedImages(_ loaded: inout LoadedModel) throws {
        guard let input else { throw CommandError.conflictingOptions("--input: a model of images needs a .npy file") }
        try loaded.take(images: input)
        let encoder = try loaded.encoder(for: "embed")
        for first in stride(from: 0, to: loaded.imageSequences.count, by: batch) {
            let images = loaded.imageSequences[first..<min(first + batch, loaded.imageSequences.count)]
            try write(try encoder.embed(Array(images), context: common.context))
        }
    }

    private func embed(
        _ lines: inout [String], _ loaded: LoadedModel, _ encoder: any EncoderModel, _ cut: inout Int
    ) throws {
        guard !lines.isEmpty else { return }
        let sequences = lines.map { line in
            let whole = loaded.tokenizer.encode(line)
            guard whole.count > encoder.maximumTokens else { return whole }
            cut += 1
            return loaded.tokens(line)
        }
        try write(try encoder.embed(sequences, context: common.context))
        lines.removeAll(keepingCapacity: true)
    }

    private func write(_ embeddings: Matrix) throws {
        guard embeddings.isFinite else { throw CommandError.notFinite(model: model, what: "an embedding") }
        var text = ""
        for row in 0..<embeddings.rows {
            let numbers = embeddings.elements[row * embeddings.columns..<(row + 1) * embeddings.columns]
            text += "[" + numbers.map(\.description).joined(separator: ",") + "]\n"
        }
        try StandardOutput.write(text)
    }
}
