import Foundation
import ModelFiles
import Testing

@Suite struct OutputFolderTests {
    private struct Stop: Error {}

    @Test func appearsWhenCommitted() throws {
        let place = try TemporaryFolder()
        let output = try OutputFolder(destination: place.file("out"))
        try AtomicFile.write("hello", to: output.file("a.txt"))
        #expect(try !place.names().contains("out"))
        #expect(URL(fileURLWithPath: output.path).lastPathComponent.hasPrefix(".out.partial-"))
        try output.commit()
        #expect(try place.names() == ["out"])
        #expect(try place.bytes("out/a.txt") == Array("hello".utf8))
    }

    @Test func failureLeavesNothing() throws {
        let place = try TemporaryFolder()
        #expect(throws: Stop.self) {
            let output = try OutputFolder(destination: place.file("out"))
            try AtomicFile.write("hello", to: output.file("a.txt"))
            throw Stop()
        }
        #expect(try place.names() == [])
    }

    @Test func takesAnEmptyFolder() throws {
        let place = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: place.file("out"), withIntermediateDirectories: false)
        let output = try OutputFolder(destination: place.file("out/"))
        try AtomicFile.write("x", to: output.file("a"))
        try output.commit()
        #expect(try place.names() == ["out"])
        #expect(try place.bytes("out/a") == Array("x".utf8))
    }

    @Test func refusesAFullFolder() throws {
        let place = try TemporaryFolder()
        try place.write("old", to: "out/a")
        let error = #expect(throws: ModelFileError.self) { try OutputFolder(destination: place.file("out")) }
        #expect(error == .destinationExists(path: place.file("out")))
        #expect(error?.description == "\(place.file("out")): exists and is not empty")
        #expect(try place.names() == ["out"])
    }

    @Test func refusesAFolderFilledMeanwhile() throws {
        let place = try TemporaryFolder()
        do {
            let output = try OutputFolder(destination: place.file("out"))
            try place.write("theirs", to: "out/a")
            #expect(throws: ModelFileError.destinationExists(path: place.file("out"))) { try output.commit() }
        }
        #expect(try place.names() == ["out"])
        #expect(try place.bytes("out/a") == Array("theirs".utf8))
    }

    @Test func replacesOnlyAfterSuccess() throws {
        let place = try TemporaryFolder()
        try place.write("old", to: "out/a")
        try place.write("old", to: "out/b")
        #expect(throws: Stop.self) {
            let output = try OutputFolder(destination: place.file("out"), replacing: true)
            try AtomicFile.write("new", to: output.file("a"))
            throw Stop()
        }
        #expect(try place.bytes("out/a") == Array("old".utf8))
        let output = try OutputFolder(destination: place.file("out"), replacing: true)
        try AtomicFile.write("new", to: output.file("a"))
        try output.commit()
        #expect(try place.names() == ["out"])
        #expect(try place.bytes("out/a") == Array("new".utf8))
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.file("out")) == ["a"])
    }

    @Test func refusesAFileAndAMissingParent() throws {
        let place = try TemporaryFolder()
        try place.write("x", to: "file")
        #expect(
            throws: ModelFileError.notWritable(file: place.file("file"), reason: "exists and is not a folder")
        ) {
            try OutputFolder(destination: place.file("file"), replacing: true)
        }
        #expect(
            throws: ModelFileError.notWritable(
                file: place.file("no/out"), reason: "No such file or directory")
        ) {
            try OutputFolder(destination: place.file("no/out"))
        }
    }

    @Test func writesThroughALink() throws {
        let place = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: place.file("real"), withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(atPath: place.file("link"), withDestinationPath: "real")
        let output = try OutputFolder(destination: place.file("link"))
        try AtomicFile.write("x", to: output.file("a"))
        try output.commit()
        #expect(try place.names() == ["link", "real"])
        #expect(try place.bytes("real/a") == Array("x".utf8))
    }

    @Test func checksTheDiskFirst() throws {
        let place = try TemporaryFolder()
        let error = #expect(throws: ModelFileError.self) {
            try OutputFolder(destination: place.file("out"), requiredBytes: .max)
        }
        guard case .insufficientSpace(place.file("out"), .max, let available) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(
            error?.description
                == "\(place.file("out")): 9223372036854775807 bytes needed, \(available) free on that disk")
        #expect(try place.names() == [])
        #expect(try #require(freeByteCount(at: place.path)) > 0)
    }

    @Test func removesWhatAKilledProcessLeft() throws {
        let place = try TemporaryFolder()
        try place.write("leftover", to: ".out.partial-123/a")
        try place.write("another's", to: ".other.partial-123/a")
        let first = try OutputFolder(destination: place.file("out"))
        let second = try OutputFolder(destination: place.file("out"))
        #expect(
            try Set(place.names()) == [
                ".other.partial-123", (first.path as NSString).lastPathComponent,
                (second.path as NSString).lastPathComponent,
            ])
        try AtomicFile.write("1", to: first.file("a"))
        try AtomicFile.write("2", to: second.file("a"))
        try second.commit()
        #expect(try place.bytes("out/a") == Array("2".utf8))
        #expect(throws: ModelFileError.destinationExists(path: place.file("out"))) { try first.commit() }
    }

    @Test func anUncommittedFileVanishes() throws {
        let place = try TemporaryFolder()
        try place.write("old", to: "a")
        do {
            var file = try AtomicFile(path: place.file("a"))
            try [1, 2, 3].withUnsafeBytes { try file.write($0) }
            #expect(try place.names().count == 2)
        }
        #expect(try place.names() == ["a"])
        #expect(try place.bytes("a") == Array("old".utf8))
        try AtomicFile.write("new", to: place.file("a"))
        #expect(try place.bytes("a") == Array("new".utf8))
        #expect(try place.names() == ["a"])
    }

    @Test func aVeryLongNameStillWorks() throws {
        let place = try TemporaryFolder()
        let name = String(repeating: "é", count: 127)
        try AtomicFile.write("x", to: place.file(name))
        #expect(try place.names() == [name])
    }
}
