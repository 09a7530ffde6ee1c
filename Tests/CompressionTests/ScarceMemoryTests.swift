import Compression
import Communication
import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Compression with little memory, without calibration, and on other kernels.
@Suite struct ScarceMemoryTests {
    /// Two layers with an input in common, one with another, and a slow family.
    private static func job(_ output: URL, memory: Int?, threads: Int = 2) -> CompressionJob {
        var job = CompressionJobTests.job(
            output, budget: Budget(quantity: .bytes, fraction: 0.3), families: ["quantized", "low-rank", "monarch"],
            only: ["model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.k_proj", "model.layers.5.self_attn.o_proj"],
            threads: threads)
        job.memoryLimit = memory
        return job
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment["TESSERA_SLOW"] == "1", "slow: set TESSERA_SLOW=1"))
    func littleMemoryGivesTheSameBytes() throws {
        try CompressionJobTests.temporary { folder in
            let ample = Self.job(folder.appending(path: "ample"), memory: nil)
            let scarce = Self.job(folder.appending(path: "scarce"), memory: 1)
            let (forecast, less) = (try ample.forecast(), try scarce.forecast())
            #expect(less.memory < forecast.memory)
            _ = try ample.run()
            _ = try scarce.run()
            let expected = try CompressionJobTests.contents(folder.appending(path: "ample"))
            #expect(expected.count > 4)
            #expect(try CompressionJobTests.contents(folder.appending(path: "scarce")) == expected)

            // Continued from its journal, and with one thread.
            let resumed = folder.appending(path: "resumed")
            _ = try Self.job(resumed, memory: 1, threads: 1).plan()
            let journal = resumed.path + ".journal/tensors"
            let tensors = try FileManager.default.contentsOfDirectory(atPath: journal).sorted()
            for name in tensors.enumerated().filter({ $0.offset % 3 == 1 }).map(\.element) {
                try FileManager.default.removeItem(atPath: "\(journal)/\(name)")
            }
            _ = try Self.job(resumed, memory: nil).run()
            #expect(try CompressionJobTests.contents(resumed) == expected)
        }
    }

    /// Left out, it would make the bytes depend on the machine.
    @Test func recoveryIsRefusedWhereItHasNoRoom() throws {
        try CompressionJobTests.temporary { folder in
            var job = Self.job(folder.appending(path: "out"), memory: 64 << 20)
            (job.recipe.budgets, job.recipe.recovery) = ([Budget(quantity: .bytes, fraction: 0.15)], nil)
            let message = try #require(
                #expect(throws: CompressionError.self) { try job.forecast() }.map { "\($0)" })
            let pinned = /recovery 'sequential' needs the whole model in memory, about (\d+) MiB; allowed are 64 MiB: give --memory (\d+)M or --recovery none/
            let parts = try #require(try pinned.wholeMatch(in: message), "\(message)")
            #expect(parts.1 == parts.2)
            job.memoryLimit = (Int(parts.2) ?? 0) << 20
            #expect(try job.forecast().memory <= job.memoryLimit ?? 0)
            job.memoryLimit = 64 << 20
            job.recipe.recovery = []
            #expect(try !job.forecast().selected.isEmpty)
        }
    }

    @Test func memoryIsReadAsItIsWritten() throws {
        #expect(try WorkingMemory.bytes("800M") == 800 << 20)
        #expect(try WorkingMemory.bytes("1.5 GiB") == 3 << 29)
        #expect(try WorkingMemory.bytes("2g") == 2 << 30)
        #expect(try WorkingMemory.bytes("4096") == 4096)
        for text in ["", "M", "-1G", "0", "nan", "1T", "1e30"] {
            #expect(throws: CompressionError.invalidMemory(text: text)) { try WorkingMemory.bytes(text) }
        }
        #expect(
            "\(CompressionError.invalidMemory(text: "x"))"
                == "memory 'x': expected a number of bytes such as 800M or 12G")
    }

    @Test func aJournalOfOtherKernelsIsRefused() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "small")
            _ = try CompressionJobTests.job(output, families: ["quantized"]).plan()
            let file = URL(filePath: output.path + ".journal/fingerprint.json")
            var identity = try JSONValue.read(file: file.path).objectValue ?? JSONObject()
            #expect(identity["linear algebra library"]?.stringValue?.isEmpty == false)
            identity["linear algebra library"] = .string("OpenBLAS (Pentium)")
            try JSONValue.object(identity).text(pretty: true).write(to: file, atomically: true, encoding: .utf8)
            #expect(
                throws: CompressionError.journalMismatch(folder: output.path + ".journal", differs: ["linear algebra library"])
            ) { try CompressionJobTests.job(output, families: ["quantized"]).plan() }
        }
    }

    @Test func anUnknownArchitectureIsCompressedWithoutCalibration() throws {
        try CompressionJobTests.temporary { folder in
            let model = folder.appending(path: "strange")
            try FileManager.default.createDirectory(at: model, withIntermediateDirectories: true)
            try FileManager.default.copyItem(
                atPath: CompressionJobTests.model + "/model.safetensors", toPath: model.appending(path: "model.safetensors").path)
            try Data(#"{"model_type": "mamba", "hidden_size": 1}"#.utf8).write(to: model.appending(path: "config.json"))
            var job = CompressionJob(
                model: model.path, output: folder.appending(path: "out").path,
                recipe: Recipe(
                    budget: Budget(quantity: .bytes, fraction: 0.3), selection: MatrixSelection(only: ["model.layers.0.self_attn.*"]),
                    families: ["quantized", "low-rank"]),
                calibration: nil, context: ExecutionContext(threads: 2))
            let refusal = CompressionError.needsRunning(
                reason: "\(model.path)/config.json: model_type \"mamba\" is not known, expected one of "
                    + Architectures.names.joined(separator: ", "))
            #expect(throws: refusal) { try job.run() }
            #expect("\(refusal)".hasSuffix("its plain weights can still be compressed: --without-calibration"))

            job.withoutCalibration = true
            let report = try job.run()
            #expect(report.quality.isEmpty)
            #expect(report.selectedBytes <= report.selectedBytesInF16 * 3 / 10)
            let small = try LoadedModel.loadMatrices(job.output)
            let source = try LoadedModel.loadMatrices(model.path)
            #expect(Set(small.model.sites.map(\.name)) == Set(source.model.sites.map(\.name)))
            for site in small.model.sites where site.name.contains("layers.0.self_attn") {
                let (found, wanted) = (small.model[site: site.name], source.model[site: site.name].dense())
                #expect(found.family.name != "dense")
                #expect(try Objective.frobenius.error(of: found.dense(), for: wanted) < 0.2, "\(site.name)")
            }
        }
    }
}
