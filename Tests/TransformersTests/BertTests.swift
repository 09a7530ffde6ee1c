import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

@Suite struct BertTests {
    private let context = ExecutionContext(threads: 2)

    @Test func batchingChangesNothing() throws {
        let model = try SmallModels.bert()
        let sequences = SmallModels.sequences(80)
        let together = try model.embed(sequences, context: context)
        for index in [0, 1, 30, 79] {
            let alone = try model.embed([sequences[index]], context: context)
            #expect(
                SmallModels.largestDifference(
                    alone.elements, Array(together.block(rows: index..<index + 1, columns: 0..<24).elements))
                    < 1e-5)
        }
    }

    @Test(arguments: [1, 2, 3, 8]) func threadsDoNotChangeBits(threads: Int) throws {
        let model = try SmallModels.bert()
        for count in [1, 3, 150] {
            let sequences = SmallModels.sequences(count)
            let serial = try model.embed(sequences, context: .serial)
            #expect(try model.embed(sequences, context: ExecutionContext(threads: threads)) == serial)
        }
    }

    @Test func poolingAndNormalization() throws {
        let sequence = [[3, 5, 8, 13]]
        let mean = try SmallModels.bert(layout: SmallModels.layout(.mean)).embed(sequence, context: context)
        let unit = try SmallModels.bert().embed(sequence, context: context)
        let length = Float(mean.squaredNorm.squareRoot())
        #expect(abs(unit.squaredNorm - 1) < 1e-5)
        #expect(SmallModels.largestDifference(unit.elements, mean.elements.map { $0 / length }) < 1e-6)
        let first = try SmallModels.bert(layout: SmallModels.layout(.cls)).embed(sequence, context: context)
        #expect(SmallModels.largestDifference(mean.elements, first.elements) > 0.01)
        let largest = try SmallModels.bert(layout: SmallModels.layout(.max)).embed(sequence, context: context)
        #expect(zip(largest.elements, mean.elements).allSatisfy { $0 >= $1 })
        #expect(zip(largest.elements, first.elements).allSatisfy { $0 >= $1 })
        // Of one token they are all the same.
        for pooling in SentenceEmbeddingLayout.Pooling.allCases {
            let one = try SmallModels.bert(layout: SmallModels.layout(pooling)).embed([[9]], context: context)
            #expect(
                try one == SmallModels.bert(layout: SmallModels.layout(.mean)).embed([[9]], context: context))
        }
    }

    @Test func thePrefixIsPartOfTheNames() throws {
        let plain = try SmallModels.bert()
        let prefixed = try SmallModels.bert(prefix: "bert.")
        #expect(prefixed.sites.map(\.name) == plain.sites.map { "bert." + $0.name })
        let sequences = SmallModels.sequences(4)
        #expect(try prefixed.embed(sequences, context: context) == plain.embed(sequences, context: context))
    }

    @Test func sitesNameTheirInputs() throws {
        let model = try SmallModels.bert()
        #expect(model.sites.count == 14)
        let inputs = Dictionary(grouping: model.sites.filter { $0.role == .linear }, by: \.input)
        #expect(inputs.count == 8)
        #expect(
            inputs["encoder.layer.0.attention.self input"]?.map(\.name) == [
                "encoder.layer.0.attention.self.query", "encoder.layer.0.attention.self.key",
                "encoder.layer.0.attention.self.value",
            ])
        #expect(
            model.sites.first { $0.name == "encoder.layer.1.intermediate.dense" }?.shape
                == MatrixShape(rows: 40, columns: 24))
        #expect(model.sites.filter { $0.role == .embedding }.allSatisfy { $0.input == nil })
    }

    @Test func observerSeesEveryInputOfEveryToken() throws {
        let model = try SmallModels.bert()
        let sequences = SmallModels.sequences(60)
        var tokens: [String: Int] = [:]
        var order: [String] = []
        try model.observe(sequences, context: context) { name, activations in
            if tokens[name] == nil { order.append(name) }
            tokens[name, default: 0] += activations.rows
            #expect(
                activations.columns
                    == (name.hasSuffix("1.output.dense input") || name == "encoder.layer.0.output.dense input"
                        ? 40 : 24))
        }
        let total = sequences.map(\.count).reduce(0, +)
        #expect(tokens.values.allSatisfy { $0 == total })
        var expected: [String] = []
        for input in model.sites.compactMap(\.input) where !expected.contains(input) {
            expected.append(input)
        }
        #expect(order == expected)
    }

    @Test func replacingAMatrixLeavesTheOriginal() throws {
        let original = try SmallModels.bert()
        let before = try original.embed([[1, 2, 3]], context: context)
        for site in original.sites {
            var copy = original
            let weight = copy[site: site.name].dense()
            #expect(weight.rows == site.shape.rows && weight.columns == site.shape.columns)
            copy[site: site.name] = Dense(
                Matrix(rows: weight.rows, columns: weight.columns) {
                    weight[$0, $1] * 1.5 + Float($0 % 3) * 0.1
                })
            let after = try copy.embed([[1, 2, 3]], context: context)
            #expect(SmallModels.largestDifference(after.elements, before.elements) > 1e-6, "\(site.name)")
        }
        #expect(try original.embed([[1, 2, 3]], context: context) == before)
    }

    @Test func sequencesAreChecked() throws {
        let model = try SmallModels.bert()
        #expect(throws: TransformersError.emptySequence) { try model.embed([[]], context: context) }
        #expect(throws: TransformersError.tokenOutOfRange(token: 60, vocabulary: 60)) {
            try model.embed([[1], [60]], context: context)
        }
        #expect(throws: TransformersError.tokenOutOfRange(token: -1, vocabulary: 60)) {
            try model.embed([[-1]], context: context)
        }
        #expect(throws: TransformersError.sequenceTooLong(count: 49, maximum: 48)) {
            try model.embed([Array(repeating: 1, count: 49)], context: context)
        }
        #expect(try model.embed([], context: context).rows == 0)
    }
}
