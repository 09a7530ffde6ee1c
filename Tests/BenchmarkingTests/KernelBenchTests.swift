import Benchmarking
import ModelFiles
import StructuredMatrices
import Tensors
import Testing

struct KernelBenchTests {
    private static func bench(_ shapes: [MatrixShape], _ precisions: [Precision] = [.f32]) -> KernelBench {
        var bench = KernelBench(
            shapes: shapes, batches: [1, 3], threads: [1, 2], precisions: precisions,
            families: RandomFamily.all,
            share: 0.5, temperatures: Temperature.allCases)
        bench.turn = 0
        bench.rounds = .exactly(2)
        bench.memoryLimit = 1 << 16
        return bench
    }

    @Test func everyFamilyIsMeasuredAndRight() throws {
        var cases: [KernelCase] = []
        let bench = Self.bench([MatrixShape(rows: 64, columns: 96)], [.f32, .bf16])
        try bench.run { cases.append($0) }
        #expect(cases.count == 16 && bench.caseCount == 16)
        for result in cases {
            let expected = RandomFamily.all.filter { $0.hasPrecision || result.precision == .f32 }.map {
                $0.name
            }
            #expect(result.lines.map { $0.name } == ["dense"] + expected)
            #expect(result.baselines.count == (result.threads == 1 ? 1 : 3))
            #expect(result.streamRates.count == StreamRead.Pattern.allCases.count)
            #expect(result.lines[0].timesDense.median == 1)
            for line in result.lines {
                #expect(
                    line.time.median > 0 && line.byteCount > 0 && line.multiplyAdds > 0 && line.rounds == 2)
                // Integers meet rounded inputs; everything else is exact but for the rounding of sums.
                let isInteger = RandomFamily.all.contains { $0.name == line.name && $0.activations == .int8 }
                #expect(line.error < (isInteger ? 0.05 : 1e-4), "\(line.name) \(line.error)")
            }
        }
    }

    @Test func documentsHoldWhatWasMeasured() throws {
        var bench = Self.bench([MatrixShape(rows: 32, columns: 48)])
        (bench.batches, bench.threads, bench.temperatures) = ([1], [1], [.hot])
        var documents: [JSONValue] = []
        try bench.run { documents.append($0.document) }
        let document = try #require(documents.first?.objectValue)
        #expect(documents.count == 1)
        #expect(document["shape"] == [.integer(32), .integer(48)])
        #expect(document["temperature"] == "hot")
        let products = try #require(document["products"]?.arrayValue)
        #expect(products.count == RandomFamily.all.count + 1)
        for product in products {
            let seconds = try #require(product.objectValue?["seconds"]?.objectValue)
            #expect(try #require(seconds["median"]?.doubleValue) > 0)
            #expect(try #require(seconds["minimum"]?.doubleValue) > 0)
        }
    }
}
