import ArgumentParser
import Compression
import ModelFiles
import StructuredMatrices
import Synchronization
import Transformers

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Lists every matrix of a model: shape, spectrum, what could compress it.",
        discussion: """
            Takes dense and compressed folders. Errors are squared, relative to the matrix's own size, and judge the \
            weights alone: on the inputs a matrix really sees, 'compress' usually does better.

            Example:
              tessera inspect MODEL --only '*attention*'
            """)

    @Argument(help: "Model folder.")
    var model: String

    @Option(help: ArgumentHelp("Only matrices whose name matches; * and ? as in a shell.", valueName: "pattern"))
    var only: [String] = []

    @OptionGroup var common: CommonOptions

    func run() throws {
        let loaded = try LoadedModel.openMatrices(model, quiet: common.quiet)
        let sites = try MatrixSelection(scope: .all, only: only).split(loaded.model.sites).selected
        let rows = try inspect(sites, of: loaded.model)
        let totals = try Totals(loaded)
        if common.json {
            try StandardOutput.write([
                "model": .string(model), "architecture": .string(loaded.model.architecture),
                "matrices": .array(rows.map(\.document)), "totals": totals.document,
            ])
            return
        }
        var table = TerminalTable(columns: MatrixInspection.columns, width: 200)
        table.rows = rows.map { .cells($0.cells) }
        try StandardOutput.write((table.lines + ["", Self.legend, totals.text]).joined(separator: "\n"))
    }

    private static let legend = """
        90 %, 99 %: singular directions that hold this share of the energy. effective: exp of the entropy of the singular
        values. stable: energy over the largest squared singular value. break-even: the rank above which low-rank costs
        more than dense. low-rank 50 %: error of the best rank with half the parameters. int4: error of 4-bit integers in
        groups of 64.

        """

    private func inspect(_ sites: [MatrixSite], of model: any TransformerModel) throws -> [MatrixInspection] {
        let progress = ProgressDisplay(quiet: common.quiet)
        let done = Mutex(0)
        let rows = try common.context.parallelMap(sites.count) { index in
            let row = try MatrixInspection(
                sites[index], model[site: sites[index].name], model: self.model, context: .serial)
            let count = done.withLock { done in
                done += 1
                return done
            }
            progress(CompressionProgress(stage: "inspecting", done: count, total: sites.count))
            return row
        }
        _ = progress.finish()
        return rows
    }

    /// Bytes of the whole checkpoint by what they are, whatever `--only` shows.
    private struct Totals {
        let linear: Group
        let embedding: Group
        let others: Group
        let fileBytes: Int

        struct Group {
            var count = 0
            var parameters: Int? = 0
            var bytes = 0

            mutating func add(_ cost: Cost) {
                count += 1
                parameters = parameters.map { $0 + cost.parameters }
                bytes += cost.storedBytes
            }
        }

        init(_ loaded: LoadedModel) throws {
            var (linear, embedding) = (Group(), Group())
            var tensors = 0
            for site in loaded.model.sites {
                let matrix = loaded.model[site: site.name]
                tensors += try matrix.tensors.count
                if site.role == .linear { linear.add(matrix.cost) } else { embedding.add(matrix.cost) }
            }
            let checkpoint = loaded.checkpoint
            others = Group(
                count: checkpoint.tensorNames.count - tensors, parameters: nil,
                bytes: checkpoint.tensorByteCount - linear.bytes - embedding.bytes)
            (self.linear, self.embedding) = (linear, embedding)
            fileBytes = checkpoint.fileByteCount
        }

        private var rows: [(name: String, group: Group)] {
            [("linear matrices", linear), ("embedding tables", embedding), ("other tensors", others)]
        }

        var text: String {
            var table = TextTable([.left, .right, .right, .right, .left])
            table.append(["", "count", "parameters", "bytes", ""])
            for (name, group) in rows {
                table.append([
                    name, "\(group.count)", group.parameters.map(FigureText.grouped) ?? "",
                    FigureText.grouped(group.bytes), FigureText.share(group.bytes, of: fileBytes),
                ])
            }
            table.append(["weight files", "", "", FigureText.grouped(fileBytes), "headers included"])
            return table.text
        }

        var document: JSONValue {
            var object = JSONObject()
            for (name, group) in rows {
                object[String(name.map { $0 == " " ? "_" : $0 })] = [
                    "count": JSONValue(group.count),
                    "parameters": group.parameters.map { JSONValue($0) } ?? .null, "bytes": JSONValue(group.bytes),
                ]
            }
            object["weight_file_bytes"] = JSONValue(fileBytes)
            return .object(object)
        }
    }
}
