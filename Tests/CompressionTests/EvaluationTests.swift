import Analysis
import Compression
import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

@Suite struct CalibrationFingerprintsTests {
    /// So many sequences of tokens that do not repeat.
    static func sequences(_ count: Int, length: Int, stream: String) -> [[Int]] {
        var generator = SeededGenerator(seed: 1, stream: stream)
        return (0..<count).map { _ in (0..<length).map { _ in generator.nextInteger(below: 30_000) } }
    }

    @Test func sentencesAreFoundAgain() {
        let seen = Self.sequences(100, length: 12, stream: "seen")
        let other = Self.sequences(200, length: 12, stream: "other")
        let fingerprints = CalibrationFingerprints(seen, isEncoder: true)
        #expect(fingerprints.hashes.count == 100 && fingerprints.oneIn == 1)
        #expect(fingerprints.overlap(with: other) == .init(shared: 0, total: 200, piece: .sentences))
        let two = fingerprints.overlap(with: other + seen.prefix(2))
        #expect(two.shared == 2 && two.total == 202 && !two.isTooLarge)
        let three = fingerprints.overlap(with: other + seen.prefix(3))
        #expect(three.isTooLarge)
        #expect(three.text == "3 of 203 sentences occur in the calibration text")
        // What anyone says is no sign.
        let short = CalibrationFingerprints([[1, 2, 3]] + seen, isEncoder: true)
        #expect(short.overlap(with: [[1, 2, 3]]) == .init(shared: 0, total: 0, piece: .sentences))
    }

    @Test func textsAreFoundAgainWhateverTheirWindows() {
        let seen = Self.sequences(40, length: 256, stream: "seen")
        let fingerprints = CalibrationFingerprints(seen, isEncoder: false)
        // 40 x 241 runs, thinned out to at most 4096.
        #expect(fingerprints.oneIn == 4 && fingerprints.hashes.count > 2000 && fingerprints.hashes.count <= 4096)
        let other = Self.sequences(1, length: 8000, stream: "other")
        let none = fingerprints.overlap(with: other)
        #expect(none.shared == 0 && none.total > 1500 && none.total < 2500)
        // The middle of one window inside another text, at another place.
        let mixed = [other[0] + seen[7][30..<230] + other[0].prefix(50)]
        let some = fingerprints.overlap(with: mixed)
        #expect(some.shared > 20 && some.isTooLarge)
        #expect(fingerprints.overlap(with: [[1, 2, 3]]) == .init(shared: 0, total: 0, piece: .runsOfTokens))
    }

    @Test func reportsHoldThem() throws {
        try SmallEncoder.with { folder, _, _ in
            let fingerprints = CalibrationFingerprints(Self.sequences(20, length: 9, stream: "seen"), isEncoder: true)
            let model = folder.appending(path: "model")
            func written(_ member: JSONValue) throws -> CalibrationFingerprints? {
                let report: JSONValue = ["calibration_fingerprints": member]
                try Data(try report.text().utf8).write(to: model.appending(path: "report.json"))
                return CalibrationFingerprints.read(folder: try ModelFolder(path: model.path))
            }
            let unread = try ModelFolder(path: model.path)
            #expect(CalibrationFingerprints.read(folder: unread) == nil)
            let digits = fingerprints.hashes.sorted().map { String($0, radix: 16) }
                .map { String(repeating: "0", count: 16 - $0.count) + $0 }.joined()
            let same = try written(["pieces": "sentences", "one_in": 1, "hashes": .string(digits)])
            #expect(same == fingerprints)
            let broken: [JSONValue] = [
                .null, ["pieces": "words", "one_in": 1, "hashes": ""], ["pieces": "sentences", "one_in": 0, "hashes": ""],
                ["pieces": "sentences", "one_in": 3, "hashes": ""], ["pieces": "sentences", "one_in": 1, "hashes": "12"],
                ["pieces": "sentences", "one_in": 1, "hashes": "zzzzzzzzzzzzzzzz"], 7,
            ]
            for member in broken {
                let read = try written(member)
                #expect(read == nil)
            }
        }
    }
}

@Suite struct ControlMethodTests {
    @Test func controlsKeepWithinTheBytesAndTreatAllAlike() throws {
        let loaded = try LoadedModel.load(CompressionJobTests.model)
        let sites = loaded.model.sites.filter { $0.name.contains("layers.0") }
        let weights = sites.reduce(0) { $0 + $1.shape.count }
        for share in [0.5, 0.35, 0.18] {
            let bytes = Int(share * Double(2 * weights))
            for method in ControlMethod.allCases {
                let made = try method.replace(
                    sites, in: loaded.model, bytes: bytes, precision: .f16, context: ExecutionContext(threads: 2))
                #expect(made.cost.storedBytes <= bytes && made.cost.storedBytes > bytes * 8 / 10)
                let stored = sites.map { made.model[site: $0.name] }
                #expect(stored.reduce(0) { $0 + $1.cost.storedBytes } == made.cost.storedBytes)
                let families = Set(stored.map(\.family.name))
                #expect(families == [method == .roundToNearest ? "quantized" : "low-rank"])
                if method == .roundToNearest {
                    #expect(Set(stored.map { "\($0.attributes.values)" }).count == 1)
                }
            }
        }
        #expect(throws: CompressionError.self) {
            try ControlMethod.roundToNearest.replace(
                sites, in: loaded.model, bytes: weights / 8, precision: .f16, context: .serial)
        }
        #expect(throws: CompressionError.self) {
            try ControlMethod.uniformSVD.replace(sites, in: loaded.model, bytes: 1000, precision: .f16, context: .serial)
        }
    }

    /// Eight bits by the plainest means are the rounding itself.
    @Test func roundingToNearestIsPlain() throws {
        let loaded = try LoadedModel.load(CompressionJobTests.model)
        let site = try #require(loaded.model.sites.first { $0.role == .linear })
        let made = try ControlMethod.roundToNearest.replace(
            [site], in: loaded.model, bytes: 2 * site.shape.count, precision: .f16, context: .serial)
        #expect(made.form == "8 bits in groups of 32")
        let weight = loaded.model[site: site.name].dense()
        let rounded = made.model[site: site.name].dense()
        for row in 0..<3 {
            for column in 0..<32 {
                let largest = weight.row(row).prefix(32).map(abs).max() ?? 0
                #expect(abs(weight[row, column] - rounded[row, column]) <= largest / 127 * 0.51)
            }
        }
    }
}

@Suite struct QualityJudgeTests {
    @Test func anEncoderIsItsOwnEqual() throws {
        try SmallEncoder.with { _, model, pairs in
            let loaded = try LoadedModel.load(model)
            let context = ExecutionContext(threads: 2)
            let judge = try QualityJudge(
                loaded, .pairs(try SentencePair.read(csv: pairs), name: "pairs.csv"), context: context)
            #expect(judge.original.map(\.key) == ["sts_spearman_100"])
            let figures = try judge.figures(of: loaded.model, context: context)
            #expect(figures.map(\.key) == ["sts_spearman_100", "mean_cosine", "overlap"])
            #expect(figures[0] == judge.original[0] && figures[2].value == 1 && abs(figures[1].value - 1) < 1e-6)
            let sentences = judge.text.tokens(of: loaded)
            let other = try QualityJudge(loaded, .sequences(sentences, name: "the same"), context: context)
            #expect(try other.figures(of: loaded.model, context: context) == Array(figures.dropFirst()))
            #expect(throws: TransformersError.self) {
                try QualityJudge(loaded, .prose("words", window: nil, name: "words"), context: context)
            }
        }
    }

    @Test func aCausalModelHasItsWindowsStated() throws {
        let loaded = try LoadedModel.load(CompressionJobTests.model)
        let context = ExecutionContext(threads: 2)
        let text = try String(contentsOfFile: CompressionJobTests.prose, encoding: .utf8).prefix(4000)
        let judge = try QualityJudge(loaded, .prose(String(text), window: 64, name: "prose"), context: context)
        let figures = try judge.figures(of: loaded.model, context: context)
        #expect(figures.map(\.key) == ["perplexity", "kl_mean", "kl_median", "kl_95", "kl_99", "top_1_agreement"])
        #expect(figures[0] == judge.original[0] && figures[0].measuredOn.hasSuffix("tokens in windows of 64"))
        #expect(figures[1].value == 0 && figures[5].value == 1)
        #expect(figures[0].isLoss && figures[1].isLoss && !figures[5].isLoss)
        #expect(throws: TransformersError.self) {
            try QualityJudge(loaded, .sentences(["one"], name: "one"), context: context)
        }
    }
}
