import Analysis
import Foundation
import Tensors
import Testing
import Transformers

@Suite struct SentenceSimilarityTests {
    @Test func quotedFields() throws {
        let text = "a,b,5.0\r\n\"x, y\",\"he said \"\"no\"\"\",2.25\n\nlast,\"two\nlines\",0"
        #expect(
            try SentencePair.parse(csv: text, file: "f.csv") == [
                SentencePair(first: "a", second: "b", score: 5),
                SentencePair(first: "x, y", second: "he said \"no\"", score: 2.25),
                SentencePair(first: "last", second: "two\nlines", score: 0),
            ])
    }

    @Test func aHeadingIsSkipped() throws {
        #expect(try SentencePair.parse(csv: "sentence1,sentence2,score\na,b,1\n", file: "f.csv").count == 1)
    }

    @Test(arguments: [
        ("a,b,1\nc,d\n", "f.csv, line 2: expected 3 fields (sentence,sentence,score), got 2"),
        ("a,b,1\nc,d,e\n", "f.csv, line 2: the third field is not a number"),
        ("a,b,1\nc,d,nan\n", "f.csv, line 2: the third field is not a number"),
        ("\"a,b,1\n", "f.csv, line 1: a quoted field is not closed"),
        ("\"a\"b,c,1\n", "f.csv, line 1: text after a closing quote"),
    ])
    func malformedRows(text: String, message: String) {
        #expect {
            try SentencePair.parse(csv: text, file: "f.csv")
        } throws: { "\($0)" == message }
    }

    @Test func missingFile() {
        #expect(
            throws: AnalysisError.notReadable(file: "/nowhere.csv", reason: "no such file, or no permission")
        ) {
            try SentencePair.read(csv: "/nowhere.csv")
        }
    }

    @Test(.enabled(if: RealInputs.miniLM != nil && RealInputs.shared != nil, RealInputs.needsMiniLM))
    func miniLMOnDevelopmentPairs() throws {
        let model = try LoadedModel.load(#require(RealInputs.miniLM))
        let pairs = try SentencePair.read(csv: #require(RealInputs.shared) + "/data/stsb/dev.csv")
        #expect(pairs.count == 1500)
        let result = try model.similarity(pairs)
        #expect(abs(result.spearman - 86.72) < 0.02)
        #expect(result.pairs == 1500)
        #expect(0.5...0.8 ~= result.standardError)
    }
}
