import Foundation
import ModelFiles
import Tensors
import Testing

@Suite struct NumPyArchiveTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Written by NumPy 2.4, savez_compressed: weight = arange(6).reshape(2, 3) / 4 as f4, bias = arange(5) as i2.
    static let deflated = Data(
        base64Encoded: "UEsDBC0AAAAIAAAAIQAKnACk//////////8KABQAd2VpZ2h0Lm5weQEAEACYAAAAAAAAAFYAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNmo"
            + "q6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaRjoKxpo6CrUKZAMuBjBosAMS9gwMDkDcAMQL7AFQSwMELQAAAAgAAAAhAC5Z40r/////////"
            + "/wgAFABiaWFzLm5weQEAEACKAAAAAAAAAE4AAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNppK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBak"
            + "AvkapjqaOgq1ChQALgYGRgYmBmYGFgYAUEsBAi0DLQAAAAgAAAAhAAqcAKRWAAAAmAAAAAoAAAAAAAAAAAAAAIABAAAAAHdlaWdodC5ucHlQSwECLQMt"
            + "AAAACAAAACEALlnjSk4AAACKAAAACAAAAAAAAAAAAAAAgAGSAAAAYmlhcy5ucHlQSwUGAAAAAAIAAgBuAAAAGgEAAAAA")
    /// The same weight alone, written by savez.
    static let stored = Data(
        base64Encoded: "UEsDBC0AAAAAAAAAIQAKnACk//////////8KABQAd2VpZ2h0Lm5weQEAEACYAAAAAAAAAJgAAAAAAAAAk05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2"
            + "ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC"
            + "AgICAgICAgICAgIAoAAAAAAACAPgAAAD8AAEA/AACAPwAAoD9QSwECLQMtAAAAAAAAACEACpwApJgAAACYAAAACgAAAAAAAAAAAAAAgAEAAAAAd2VpZ2"
            + "h0Lm5weVBLBQYAAAAAAQABADgAAADUAAAAAAA=")
    static let weight = Matrix(rows: 2, columns: 3) { Float(3 * $0 + $1) / 4 }

    private func archive(_ bytes: [UInt8], _ name: String = "arrays.npz") throws -> NumPyArchive {
        try NumPyArchive(file: folder.write(bytes, to: name))
    }

    @Test func whatNumPyWritesIsRead() throws {
        let deflated = try archive(Array(try #require(Self.deflated)))
        #expect(deflated.names == ["weight", "bias"])
        #expect(try deflated.array(named: "weight").matrix == Self.weight)
        #expect(try deflated.array(named: "bias") == NumPyArray([0, 1, 2, 3, 4]))
        let stored = try archive(Array(try #require(Self.stored)))
        #expect(try stored.array(named: "weight").matrix == Self.weight)
    }

    @Test func whatIsWrittenIsRead() throws {
        let file = folder.file("written.npz")
        try NumPyArchive.write([("a/b", NumPyArray(Self.weight)), ("é", NumPyArray([7])), ("empty", NumPyArray([]))], to: file)
        let archive = try NumPyArchive(file: file)
        #expect(archive.names == ["a/b", "é", "empty"])
        #expect(try archive.array(named: "a/b").matrix == Self.weight)
        #expect(try archive.array(named: "é").elements == [7])
        #expect(try archive.array(named: "empty").elements.isEmpty)
        try NumPyArchive.write([], to: file)
        #expect(try NumPyArchive(file: file).names.isEmpty)
    }

    @Test func missingArraysAreNamed() throws {
        let deflated = try archive(Array(try #require(Self.deflated)))
        let error = #expect(throws: ModelFileError.self) { try deflated.array(named: "scale") }
        #expect(error?.description == "\(deflated.file): no array \"scale\"; expected one of \"weight\", \"bias\"")
    }

    @Test func otherFilesAreRefused() throws {
        for bytes in [[], Array("PK".utf8), [UInt8](repeating: 0, count: 100)] {
            let file = try folder.write(bytes, to: "other.npz")
            #expect(throws: ModelFileError.zip(file: file, .notAnArchive)) { try NumPyArchive(file: file) }
        }
    }

    /// An entry that claims gigabytes is refused before anything is allocated for it.
    @Test func impossibleSizesAreRefused() throws {
        var bytes = Array(try #require(Self.deflated))
        let directory = try #require(bytes.indices.first { bytes[$0...].starts(with: [0x50, 0x4B, 1, 2]) })
        bytes.replaceSubrange(directory + 24..<directory + 28, with: [0xFF, 0xFF, 0xFF, 0x7F])
        let file = try folder.write(bytes, to: "bomb.npz")
        let problem = ZipProblem.impossibleSize(entry: "weight.npy", compressed: 86, claimed: 2_147_483_647)
        #expect(throws: ModelFileError.zip(file: file, problem)) { try NumPyArchive(file: file) }
    }

    @Test func damagedNumbersAreNoticed() throws {
        var bytes = Array(try #require(Self.stored))
        let directory = try #require(bytes.indices.first { bytes[$0...].starts(with: [0x50, 0x4B, 1, 2]) })
        bytes[directory - 1] ^= 0x40
        let archive = try archive(bytes)
        let error = #expect(throws: ModelFileError.self) { try archive.array(named: "weight") }
        #expect(
            error?.description.hasPrefix("\(archive.file): ZIP entry \"weight.npy\": expected the checksum a4009c0a, got ") == true)
    }

    /// Every byte of both archives changed: arrays are what they were, or there is one line.
    @Test(arguments: [true, false])
    func damagedArchivesAreReadOrRefused(isDeflated: Bool) throws {
        let valid = Array(try #require(isDeflated ? Self.deflated : Self.stored))
        var generator = SeededGenerator(seed: 5)
        var mutants = (0..<valid.count).map { Array(valid[..<$0]) }
        for position in valid.indices {
            for byte in [UInt8(truncatingIfNeeded: generator.next()), valid[position] ^ 1, 0xFF] where byte != valid[position] {
                mutants.append(valid)
                mutants[mutants.count - 1][position] = byte
            }
        }
        #expect(mutants.count > 800)
        var refused = 0
        for mutant in mutants {
            let file = try folder.write(mutant, to: "mutant.npz")
            if isRefused(file) { refused += 1 }
        }
        #expect(refused > mutants.count / 2 && refused < mutants.count)
    }

    /// Reads every array; says whether there was an error, and checks its line.
    private func isRefused(_ file: String) -> Bool {
        do throws(ModelFileError) {
            let archive = try NumPyArchive(file: file)
            for name in archive.names {
                let array = try archive.array(named: name)
                #expect(array.elements.count == array.shape.reduce(1, *))
            }
            return false
        } catch {
            #expect("\(error)".hasPrefix(file + ": ") && !"\(error)".contains("\n"))
            return true
        }
    }
}
