import ArgumentParser
import Compression
import Foundation
import ModelFiles
import Tensors
import Transformers

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes a compressed model as an ordinary Hugging Face folder again.",
        discussion: """
            Every structured matrix is multiplied out to '<name>.weight', all numbers are stored in one precision, the \
            tokenizer and the other files come along unchanged. The folder appears only when it is complete.

            Example:
              tessera export COMPRESSED --dense -o FOLDER --precision f16
            """)

    @Argument(help: "Model folder.")
    var model: String

    @Flag(help: "Multiply every matrix out (the only form there is so far).")
    var dense = false

    @Option(name: [.short, .long], help: ArgumentHelp("Folder to write.", valueName: "folder"))
    var output: String

    @Option(help: "How the numbers are stored.")
    var precision = Precision.f32

    @Flag(help: "Replace the folder if it exists.")
    var force = false

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if !dense { throw ValidationError("export: expected --dense, the only form there is so far") }
    }

    func run() throws {
        let folder = try ModelFolder(path: model)
        let loaded = try LoadedModel.openMatrices(model, quiet: common.quiet)
        let configuration = try configuration(loaded)
        let checkpoint = try DenseCheckpoint(loaded, precision: precision)
        let auxiliary = try folder.auxiliaryFiles().reduce(0) { $0 + $1.byteCount }

        let target: OutputFolder
        do {
            target = try OutputFolder(
                destination: output, replacing: force, requiredBytes: try checkpoint.byteCount + auxiliary)
        } catch ModelFileError.destinationExists(let path) {
            throw CommandError.outputExists(path: path)
        }
        let progress = ProgressDisplay(quiet: common.quiet)
        let writer = try SafetensorsWriter(
            file: target.file(Checkpoint.singleFileName), tensors: checkpoint.declarations)
        let declared = Dictionary(checkpoint.declarations.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var written = 0
        try writer.write { name in
            written += 1
            progress(CompressionProgress(stage: "writing", done: written, total: writer.declarations.count))
            guard let declaration = declared[name] else {
                throw ModelFileError.missingTensor(file: model, tensor: name)
            }
            return try checkpoint.tensor(declaration)
        }
        _ = progress.finish()
        try configuration.write(to: target.file(ModelFolder.configurationFileName))
        try folder.copyAuxiliaryFiles(to: target.path)
        try target.commit()
        let routed = try loaded.configuration.blockSizes()?.count { $0.experts != nil } ?? 0
        try report(checkpoint, bytes: writer.fileByteCount, routedBlocks: routed, idleBlocks: loaded.idleBlocks)
    }

    /// Without the section that only Tessera reads, and naming the precision that is now stored.
    /// - Throws: `TransformersError.notExpressible` where other programs could not know the sizes.
    private func configuration(_ loaded: LoadedModel) throws -> ModelConfiguration {
        var configuration = try loaded.ordinaryConfiguration()
        let names: [Precision: String] = [.f32: "float32", .f16: "float16", .bf16: "bfloat16"]
        for key in ["dtype", "torch_dtype"] where configuration.contains(key) {
            configuration.root[key] = names[precision].map { .string($0) }
        }
        return configuration
    }

    private func report(_ checkpoint: DenseCheckpoint, bytes: Int, routedBlocks: Int, idleBlocks: [Int]) throws {
        if common.json {
            var document = JSONObject()
            document["model"] = .string(model)
            document["output"] = .string(output)
            document["precision"] = .string(precision.rawValue)
            document["matrices_multiplied_out"] = JSONValue(checkpoint.structuredCount)
            document["tensors"] = JSONValue(checkpoint.declarations.count)
            document["weight_file_bytes"] = JSONValue(bytes)
            if routedBlocks > 0 { document["blocks_without_experts_again"] = JSONValue(routedBlocks) }
            if !idleBlocks.isEmpty {
                document["blocks_left_out"] = .array(idleBlocks.map { JSONValue($0) })
            }
            try StandardOutput.write(.object(document))
        } else {
            try StandardOutput.write(
                "\(output): \(checkpoint.structuredCount) matrices multiplied out, \(checkpoint.declarations.count) tensors, "
                    + "\(FigureText.grouped(bytes)) bytes of weights in \(precision.rawValue)\n")
            if routedBlocks > 0, !common.quiet {
                standardError("all experts of its \(routedBlocks) blocks run for every token again: the dense function\n")
            }
            if !idleBlocks.isEmpty, !common.quiet {
                let places = idleBlocks.map(String.init).joined(separator: ", ")
                standardError("left out, as nothing remains of them: \(idleBlocks.count == 1 ? "block" : "blocks") \(places)\n")
            }
        }
    }
}

extension Precision: ExpressibleByArgument {}
