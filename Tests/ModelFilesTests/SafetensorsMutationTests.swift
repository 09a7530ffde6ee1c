import ModelFiles
import Tensors
import Testing

/// Damaged files either open as valid ones, every tensor readable, or give one line that names the file.
@Suite struct SafetensorsMutationTests {
    static let header =
        #"{"__metadata__":{"format":"pt"},"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
        + #""b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"e":{"dtype":"I8","shape":[0],"data_offsets":[32,32]}}"#
    static let data = (0..<32).map { UInt8($0 * 7) }
    static let valid = safetensors(header, data: data)

    @Test func theUndamagedFileOpens() throws {
        #expect(try outcomes(of: [Self.valid]).opened == 1)
    }

    @Test func cutAtEveryByte() throws {
        let cut = (0..<Self.valid.count).map { Array(Self.valid[..<$0]) }
        let result = try outcomes(of: cut)
        #expect(result.opened == 0 && result.refused == Self.valid.count)
    }

    @Test func everyByteOfLengthAndHeaderChanged() throws {
        var generator = SeededGenerator(seed: 1)
        var mutants: [[UInt8]] = []
        for position in 0..<8 + Self.header.utf8.count {
            let random = UInt8(truncatingIfNeeded: generator.next())
            for byte in [
                random, Self.valid[position] ^ 1, 0xFF, UInt8(ascii: "\""), UInt8(ascii: "9"),
                UInt8(ascii: "-"),
            ]
            where byte != Self.valid[position] {
                var mutant = Self.valid
                mutant[position] = byte
                mutants.append(mutant)
            }
        }
        #expect(mutants.count > 1000)
        let result = try outcomes(of: mutants)
        // A change inside a name or the metadata makes another valid file; almost everything else must be noticed.
        #expect(result.opened > 0 && result.refused > mutants.count * 3 / 4)
    }

    @Test func everyByteTakenOutOrDoubled() throws {
        let header = Array(Self.header.utf8)
        let mutants = header.indices.flatMap { position -> [[UInt8]] in
            [
                safetensors(Array(header[..<position] + header[(position + 1)...]), data: Self.data),
                safetensors(Array(header[...position] + header[position...]), data: Self.data),
            ]
        }
        let result = try outcomes(of: mutants)
        #expect(result.opened > 0 && result.refused > mutants.count / 2)
    }

    @Test func hostileNumbersEverywhere() throws {
        let numbers = [
            "-1", "0", "1", "33", "4294967296", "4611686018427387904", "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615", "18446744073709551616", "1e3", "1e300", "1e999", "0.5", "-0", "null",
            "\"2\"", "[]",
            "99999999999999999999999999999999999999999999",
        ]
        var mutants: [[UInt8]] = []
        for place in ["2,3", "[4]", "0,24", "24,32", "32,32", "[0]"] {
            for number in numbers {
                let inner = place.hasPrefix("[") ? "[\(number)]" : nil
                let replacements =
                    inner.map { [$0] }
                    ?? {
                        let parts = place.split(separator: ",")
                        return ["\(number),\(parts[1])", "\(parts[0]),\(number)", "\(number),\(number)"]
                    }()
                for replacement in replacements {
                    mutants.append(
                        safetensors(Self.header.replacing(place, with: replacement), data: Self.data))
                }
            }
        }
        let result = try outcomes(of: mutants)
        #expect(result.refused > mutants.count * 9 / 10)
        #expect(result.opened + result.refused == mutants.count)
    }

    private func outcomes(of files: [[UInt8]]) throws -> (opened: Int, refused: Int) {
        let folder = try TemporaryFolder()
        var (opened, refused) = (0, 0)
        for (index, bytes) in files.enumerated() {
            let file = try folder.write(bytes, to: "model.safetensors")
            do {
                let reader = try SafetensorsReader(file: file)
                var sum = 0
                for entry in reader.entries {
                    let tensor = try reader.tensor(named: entry.name)
                    #expect(tensor.byteCount == entry.byteCount)
                    sum += tensor.withBytes { $0.reduce(0) { $0 + Int($1) } }
                }
                // Without hole or overlap the tensors together are exactly the data.
                #expect(sum == Self.data.reduce(0) { $0 + Int($1) }, "file \(index)")
                opened += 1
            } catch {
                #expect(error.description.hasPrefix("\(file): "), "file \(index)")
                let lineCount = error.description.split(
                    omittingEmptySubsequences: false, whereSeparator: \.isNewline
                ).count
                #expect(lineCount == 1, "file \(index): \(error)")
                #expect(error.description.utf8.count < file.utf8.count + 400, "file \(index)")
                refused += 1
            }
        }
        return (opened, refused)
    }
}
