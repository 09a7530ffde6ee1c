import Compression
import Foundation
import ModelFiles
import Testing

@Suite struct JournalTests {
    static func temporaryFolder() -> URL {
        FileManager.default.temporaryDirectory.appending(path: "tessera-journal-\(UUID().uuidString)")
    }

    @Test func recordsSurviveAndCutLinesAreDropped() throws {
        let folder = Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let identity = [(name: "seed", value: "1")]
        do {
            let journal = try Journal(folder: folder, identity: identity)
            try journal.record("a", .number(0.1))
            try journal.record("b", .number(1.0 / 3))
        }
        let file = folder.appending(path: "records.jsonl")
        let whole = try Data(contentsOf: file)
        // Killed at any byte of the second record: the first is there, the second is not, and writing goes on.
        let firstLine = whole.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        for cut in firstLine..<whole.count {
            try whole.prefix(cut).write(to: file)
            do {
                let journal = try Journal(folder: folder, identity: identity)
                #expect(journal["a"]?.doubleValue == 0.1)
                #expect(journal["b"] == nil)
                try journal.record("b", .number(1.0 / 3))
            }
            #expect(try Data(contentsOf: file) == whole)
        }
        #expect(try Journal(folder: folder, identity: identity)["b"]?.doubleValue == 1.0 / 3)
    }

    @Test func aJournalOfAnotherRunIsRefused() throws {
        let folder = Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        _ = try Journal(folder: folder, identity: [("weights", "x"), ("seed", "1")])
        let expected = CompressionError.journalMismatch(folder: folder.path, differs: ["seed"])
        #expect(throws: expected) { try Journal(folder: folder, identity: [("weights", "x"), ("seed", "2")]) }
        #expect(
            "\(expected)" == "\(folder.path): journal of another run: seed differs; remove the folder to start afresh")
    }

    @Test func partsKeepToThemselves() throws {
        let folder = Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        do {
            let journal = try Journal(folder: folder, identity: [])
            try journal.record("a", 1)
            try journal.part("25 %").record("a", 2)
            try journal.part("50 %").part("auto").record("a", 3)
            #expect(journal.part("25 %")["a"]?.intValue == 2)
        }
        let journal = try Journal(folder: folder, identity: [])
        #expect(journal["a"]?.intValue == 1 && journal.count == 3)
        #expect(journal.part("25 %")["a"]?.intValue == 2)
        #expect(journal.part("50 %")["a"] == nil)
        #expect(journal.part("50 %").part("auto")["a"]?.intValue == 3)
    }

    @Test func aFolderThatCannotBeMadeIsNamed() throws {
        let file = Self.temporaryFolder()
        try Data().write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let folder = file.appending(path: "journal")
        let tensors = folder.appending(path: "tensors").path
        #expect(throws: CompressionError.journalNotWritable(file: tensors, reason: "Not a directory")) {
            try Journal(folder: folder, identity: [])
        }
    }

    @Test func twoProcessesDoNotShareAJournal() throws {
        let folder = Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let first = try Journal(folder: folder, identity: [])
        #expect(throws: CompressionError.journalInUse(folder: folder.path)) {
            try Journal(folder: folder, identity: [])
        }
        #expect(first.count == 0)
    }

    @Test func fingerprintsTellInputsApart() {
        var first = Fingerprint()
        first.add("abc")
        first.add("d")
        var second = Fingerprint()
        second.add("ab")
        second.add("cd")
        #expect(first.text != second.text)
        #expect(first.text.count == 32)
    }
}
