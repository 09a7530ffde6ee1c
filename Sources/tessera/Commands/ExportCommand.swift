import ArgumentParser
import Compression
import Foundation
import ModelFiles
import StructuredMatrices
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
        var written = 0
        try writer.write { name in
            written += 1
            progress(CompressionProgress(stage: "writing", done: written, total: writer.declarations.count))
            return try checkpoint.tensor(name)
        }
        _ = progress.finish()
        try configuration(loaded.configuration).write(to: target.file(ModelFolder.configurationFileName))
        try folder.copyAuxiliaryFiles(to: target.path)
        try target.commit()
        try report(checkpoint, bytes: writer.fileByteCount)
    }

    /// Without the section that only Tessera reads, and naming the precision that is now stored.
    private func configuration(_ original: ModelConfiguration) -> ModelConfiguration {
        var configuration = original
        configuration.setStructuredEntries([])
        let names: [Precision: String] = [.f32: "float32", .f16: "float16", .bf16: "bfloat16"]
        for key in ["dtype", "torch_dtype"] where configuration.contains(key) {
            configuration.root[key] = names[precision].map { .string($0) }
        }
        return configuration
    }

    private func report(_ checkpoint: DenseCheckpoint, bytes: Int) throws {
        if common.json {
            try StandardOutput.write([
                "model": .string(model), "output": .string(output), "precision": .string(precision.rawValue),
                "matrices_multiplied_out": JSONValue(checkpoint.structuredCount),
                "tensors": JSONValue(checkpoint.declarations.count), "weight_file_bytes": JSONValue(bytes),
            ])
        } else {
            try StandardOutput.write(
                "\(output): \(checkpoint.structuredCount) matrices multiplied out, \(checkpoint.declarations.count) tensors, "
                    + "\(FigureText.grouped(bytes)) bytes of weights in \(precision.rawValue)\n")
        }
    }
}

extension Precision: ExpressibleByArgument {}

/// The tensors of a model with every matrix dense and every number in one precision.
private struct DenseCheckpoint {
    let declarations: [SafetensorsWriter.Declaration]
    let structuredCount: Int
    private let loaded: LoadedModel
    private let structured: [String: any StructuredMatrix]
    private let precision: Precision

    init(_ loaded: LoadedModel, precision: Precision) throws {
        self.loaded = loaded
        self.precision = precision
        var structured: [String: any StructuredMatrix] = [:]
        var factors: Set<String> = []
        var declarations: [SafetensorsWriter.Declaration] = []
        for (name, _) in try loaded.configuration.structuredEntries() ?? [] {
            let matrix = loaded.model[site: name]
            structured["\(name).weight"] = matrix
            for (factor, _) in try matrix.tensors { factors.insert("\(name).\(factor)") }
            declarations.append(
                .init(
                    name: "\(name).weight", elementType: precision.elementType,
                    shape: [matrix.shape.rows, matrix.shape.columns]))
        }
        for name in loaded.checkpoint.tensorNames where !factors.contains(name) && structured[name] == nil {
            guard let entry = loaded.checkpoint.entry(named: name) else { continue }
            let type = entry.elementType.isFloatingPoint ? precision.elementType : entry.elementType
            declarations.append(.init(name: name, elementType: type, shape: entry.shape))
        }
        self.structured = structured
        self.declarations = declarations
        structuredCount = structured.count
    }

    /// Of all tensors, without the file's header.
    var byteCount: Int {
        get throws {
            try declarations.reduce(0) { $0 + (try Tensor.byteCount(of: $1.shape, elementType: $1.elementType)) }
        }
    }

    /// - Throws: `ModelFileError`, `CommandError.notRepresentable`.
    func tensor(_ name: String) throws -> Tensor {
        if let matrix = structured[name] {
            return try converted(matrix.dense().elements, name, [matrix.shape.rows, matrix.shape.columns])
        }
        let tensor = try loaded.checkpoint.tensor(named: name)
        guard tensor.elementType.isFloatingPoint, tensor.elementType != precision.elementType else { return tensor }
        return try converted(try tensor.floats(), name, tensor.shape)
    }

    private func converted(_ values: [Float], _ name: String, _ shape: [Int]) throws -> Tensor {
        // Half of the step to 65536: from here on numbers round to infinity.
        if precision == .f16, let value = values.first(where: { $0.magnitude >= 65520 && $0.isFinite }) {
            throw CommandError.notRepresentable(tensor: name, value: value, precision: precision.rawValue)
        }
        return try Tensor(values, shape: shape, elementType: precision.elementType)
    }
}
