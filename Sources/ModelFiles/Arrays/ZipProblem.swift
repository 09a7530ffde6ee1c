import Tensors

/// What can be wrong with a ZIP archive; `ModelFileError.zip` adds the file's name.
public enum ZipProblem: Error, Equatable, Sendable {
    case notAnArchive
    case severalParts
    case largeFormat
    case directoryPastEnd(begin: Int, byteCount: Int, available: Int)
    case entryMalformed(index: Int, offset: Int)
    case nameNotText(index: Int)
    case repeatedName(String)
    case encrypted(entry: String)
    case unsupportedMethod(entry: String, method: Int)
    case entryPastEnd(entry: String, end: Int, available: Int)
    case sizeMismatch(entry: String, expected: Int, got: Int)
    case impossibleSize(entry: String, compressed: Int, claimed: Int)
    case damagedStream(entry: String)
    case checksumMismatch(entry: String, expected: UInt32, got: UInt32)
    case missingEntry(String, names: [String])
    case tooLarge(byteCount: Int)
}

extension ZipProblem: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notAnArchive: "not a ZIP archive: its end record is missing (file cut short?)"
        case .severalParts: "a ZIP archive of several parts; expected one"
        case .largeFormat: "a ZIP64 archive; expected less than 4 GiB and 65,535 entries"
        case .directoryPastEnd(let begin, let count, let available):
            "the ZIP directory of \(count) bytes at byte \(begin) does not end at byte \(available), where the end record begins"
        case .entryMalformed(let index, let offset): "ZIP entry \(index): no valid record at byte \(offset)"
        case .nameNotText(let index): "ZIP entry \(index): its name is not UTF-8 text"
        case .repeatedName(let name): "ZIP entry \(quotedForMessage(name)) occurs twice"
        case .encrypted(let entry): at(entry, "encrypted")
        case .unsupportedMethod(let entry, let method):
            at(entry, "compression method \(method); expected 0 (stored) or 8 (deflated)")
        case .entryPastEnd(let entry, let end, let available):
            at(entry, "ends at byte \(end), but the entries end at byte \(available)")
        case .sizeMismatch(let entry, let expected, let got): at(entry, "expected \(expected) bytes, got \(got)")
        case .impossibleSize(let entry, let compressed, let claimed):
            at(entry, "\(compressed) deflated bytes cannot become the \(claimed) that are claimed")
        case .damagedStream(let entry): at(entry, "the deflated bytes are damaged")
        case .checksumMismatch(let entry, let expected, let got):
            at(entry, "expected the checksum \(String(expected, radix: 16)), got \(String(got, radix: 16))")
        case .missingEntry(let name, let names):
            "no array \(quotedForMessage(name)); expected one of "
                + names.prefix(8).map(quotedForMessage).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
        case .tooLarge(let count): "\(count) bytes are more than a ZIP archive without ZIP64 holds"
        }
    }

    private func at(_ entry: String, _ what: String) -> String { "ZIP entry \(quotedForMessage(entry)): \(what)" }
}
