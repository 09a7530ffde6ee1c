import Compression
import Foundation
import Testing

#if canImport(FoundationXML)
import FoundationXML
#endif

/// Reads a page as strict XML and keeps what tests ask about.
final class PageReader: NSObject, XMLParserDelegate {
    private(set) var text = ""
    private(set) var elements: [String: Int] = [:]
    private(set) var identifiers: [String] = []
    private(set) var targets: [String] = []
    private(set) var attributeNames: Set<String> = []
    private(set) var isWellFormed = false

    init(_ page: String) {
        super.init()
        let parser = XMLParser(data: Data(page.utf8))
        parser.delegate = self
        isWellFormed = parser.parse()
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        elements[name, default: 0] += 1
        attributeNames.formUnion(attributes.keys)
        if let id = attributes["id"] { identifiers.append(id) }
        if let target = attributes["href"] { targets.append(target) }
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
}

@Suite struct ReportTests {
    @Test func thePageIsWellFormedAndSelfContained() {
        let html = ReportSample.small.html()
        let page = PageReader(html)
        #expect(page.isWellFormed)
        #expect(page.elements["script", default: 0] == 0)
        #expect(page.elements["link", default: 0] == 0)
        #expect(page.elements["img", default: 0] == 0)
        for outside in ["http:", "https:", "url(", "@import", "src="] { #expect(!html.contains(outside)) }
        #expect(html.contains("prefers-color-scheme"))
        // Two rows of everything assessed, and the bars.
        #expect(page.elements["details"] == 3)
        #expect(page.elements["svg"] == 3 * 2 + 2 + 1)
        // Links from the overview lead to rows that exist.
        #expect(!page.targets.isEmpty)
        #expect(page.targets.allSatisfy { page.identifiers.contains(String($0.dropFirst())) })
    }

    @Test(arguments: ["<script>alert(1)</script>", "a\" onload=\"x", "a' b", "&amp; & ]]>", "nul\u{0} esc\u{1B}[31m", "bidi\u{202E}x", "\u{FFFE}ß𝛼"])
    func hostileNamesStayText(_ name: String) {
        var report = ReportSample.report(
            [
                ReportSample.row(name), ReportSample.row("b", family: name, candidate: name),
                ReportSample.row("c", family: nil, candidate: nil, reason: name),
            ],
            model: name, quality: [.init(name: name, dense: 1, compressed: 1, standardError: nil)])
        report.architecture = name
        report.recipe = [(name, name)]
        report.qualityText = name
        report.allocationNotes = [name]
        let page = PageReader(report.html())
        #expect(page.isWellFormed)
        #expect(page.elements["script", default: 0] == 0)
        #expect(!page.attributeNames.contains("onload"))
        let shown = String(
            String.UnicodeScalarView(name.unicodeScalars.map { Markup.isUnsafe($0) ? "\u{FFFD}" : $0 }))
        #expect(page.text.contains(shown))
        // In the terminal nothing acts either.
        let acting = report.text.unicodeScalars.filter { Markup.isUnsafe($0) && $0 != "\n" }
        #expect(acting.isEmpty)
    }

    @Test func equalReportsGiveEqualBytes() {
        #expect(ReportSample.small.html() == ReportSample.small.html())
        #expect(ReportSample.small.text == ReportSample.small.text)
        #expect(ReportSample.small.html() != ReportSample.small.html(sizeUnit: .multiplyAdds))
    }

    @Test(arguments: [0, 1, 40])
    func everyMatrixIsThere(_ count: Int) {
        let names = (0..<count).map { "encoder.layer.\($0 / 4).part\($0 % 4).weight" }
        let report = ReportSample.report(names.map { ReportSample.row($0) })
        let page = PageReader(report.html())
        #expect(page.isWellFormed)
        #expect(page.identifiers == (0..<count).map { "m\($0 + 1)" })
        for name in names { #expect(page.text.contains(name)) }
        #expect(report.text.components(separatedBy: "low-rank rank=2").count == count + 1)
        #expect(report.html().utf8.count < 16_000 + 6_000 * count)
        for word in ["nan", "inf ", "inf\""] { #expect(!report.html().lowercased().contains(word)) }
    }

    @Test func partsAddUpToTheFiles() {
        for headerBytes in [0, 100, -20] {
            let report = ReportSample.report(ReportSample.small.matrices, headerBytes: headerBytes)
            #expect(report.parts.reduce(0) { $0 + $1.bytesBefore } == report.fileBytesBefore)
            #expect(report.parts.reduce(0) { $0 + $1.bytesAfter } == report.fileBytesAfter)
            #expect(report.parts.contains { $0.kind == .container } == (headerBytes != 0))
        }
        let parts = ReportSample.small.parts
        #expect(parts.map(\.name) == ["dense", "low-rank", "matrices left as they were", "other tensors (norms, biases …)", "file headers"])
        #expect(parts.map(\.count) == [1, 2, 1, 5, nil])
        #expect(parts.map(\.bytesAfter) == [64, 96, 128, 640, 100])
        // The page states the same sums: 64 + 96 + 128 bytes of matrices, 1,028 in the files.
        let page = PageReader(ReportSample.small.html())
        #expect(page.text.contains("all 4 matrices288"))
        #expect(page.text.contains("1,028"))
    }

    @Test func theTextSummaryIsPinned() {
        #expect(
            ReportSample.small.text == """
                tiny (bert)

                matrix            shape  compressed as                                  bytes   of f16     macs   error
                -------------------------------------------------------------------------------------------------------
                embeddings.word  16 x 4  left: embedding table, outside --scope linear    128  100.0 %  100.0 %       0
                encoder.layer.0.
                  query           8 x 4  low-rank rank=2                                   48   75.0 %   75.0 %  1.2e-2
                  key             8 x 4  dense f16                                         64  100.0 %  100.0 %  7.0e-8
                pooler.dense      8 x 4  low-rank rank=2                                   48   75.0 %   75.0 %  5.0e-1
                -------------------------------------------------------------------------------------------------------
                all 4 matrices                                                            288   90.0 %   90.0 %

                weights        192 -> 160 bytes (83.3 % of f16; 3 matrices took part)
                multiply-adds  96 -> 80 (83.3 % of dense, per input row; 3 matrices took part)
                weight files   1,380 -> 1,028 bytes (74.5 % of the original files, everything counted)
                carried over   5 other tensors, 640 bytes
                quality on 64 held-out sentences
                  mean cosine  1.0000 -> 0.9877 ± 0.0012
                  perplexity   13.46
                note: within 0.1 % of the optimum

                """)
    }

    @Test func longNamesWrapAndNothingIsLost() {
        let name = "model.language_model." + String(repeating: "very_long_component_name.", count: 8) + "weight"
        let reason = String(repeating: "because of this and that ", count: 6) + "end"
        let report = ReportSample.report([
            ReportSample.row(name), ReportSample.row("b", family: nil, candidate: nil, reason: reason),
        ])
        let lines = report.text.split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 120 })
        #expect(!lines.contains { $0.hasSuffix(" ") })
        // Lines break between words and after dots and underscores, so words stay whole and can be counted.
        func count(_ word: String) -> Int { report.text.components(separatedBy: word).count - 1 }
        #expect(["long", "component", "because", "that", "end"].map(count) == [8, 8, 6, 6, 1])
    }

    @Test(arguments: [
        (0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567"), (Int.min, "-9,223,372,036,854,775,808"),
    ])
    func integersAreGrouped(_ value: Int, _ text: String) {
        #expect(FigureText.grouped(value) == text)
    }

    @Test func figuresKeepTheirDigits() {
        #expect([0, 999, 1_000, 9_995, 99_950, 999_499, 999_500, 12_345_678].map(FigureText.bytes) == [
            "0 B", "999 B", "1.00 kB", "10.0 kB", "100 kB", "999 kB", "1.00 MB", "12.3 MB",
        ])
        #expect([0, 1.2345e-4, 9.999e-1, -0.5, .nan, .infinity].map { FigureText.scientific($0) } == [
            "0", "1.23e-4", "1.00e0", "-5.00e-1", "–", "–",
        ])
        #expect([0.9, 12.34, 0.001, 123_456].map(FigureText.significant) == ["0.900", "12.3", "1.00e-3", "1.23e5"])
        #expect(FigureText.share(1, of: 0) == "–")
        #expect(FigureText.fixed(-0.001, decimals: 1) == "0.0")
        #expect(FigureText.measured(0.54321, standardError: 0.0061) == "0.5432")
        #expect(FigureText.measured(86.7213, standardError: 0.42) == "86.72")
        #expect(FigureText.measured(13.456, standardError: nil) == "13.46")
    }
}
