import CZlib
import Tensors

/// A ZIP archive (APPNOTE 6.3, without ZIP64) of stored and deflated entries, mapped into memory.
///
/// Opening reads the directory alone. Nothing is allocated by a count that the file states: entries are at least 46
/// bytes of directory each, and no deflated entry is taken for more than deflate can make of its bytes.
struct ZipArchive: Sendable {
    struct Entry: Sendable, Equatable {
        let name: String
        let isDeflated: Bool
        let checksum: UInt32
        let compressedByteCount: Int
        let byteCount: Int
        let localOffset: Int
    }

    /// In the order of the directory.
    let entries: [Entry]
    private let directoryStart: Int
    private let storage: TensorStorage

    /// Deflate codes at most 258 bytes in two bits.
    private static let mostExpansion = 1032
    private static let endRecordBytes = 22
    private static let directoryRecordBytes = 46
    private static let localRecordBytes = 30

    init(_ storage: TensorStorage) throws(ZipProblem) {
        self.storage = storage
        (entries, directoryStart) = try storage.withBytes { bytes throws(ZipProblem) in try Self.directory(bytes) }
    }

    private static func directory(_ bytes: UnsafeRawBufferPointer) throws(ZipProblem) -> ([Entry], Int) {
        let end = try endRecord(bytes)
        let records = LittleEndianBytes(bytes)
        let (disk, count) = (records.u16(end + 4), records.u16(end + 10))
        let (byteCount, start) = (records.u32(end + 12), records.u32(end + 16))
        guard count != 0xFFFF, byteCount != 0xFFFF_FFFF, start != 0xFFFF_FFFF else { throw .largeFormat }
        guard disk == 0, records.u16(end + 6) == 0, records.u16(end + 8) == count else { throw .severalParts }
        guard start + byteCount == end else {
            throw .directoryPastEnd(begin: start, byteCount: byteCount, available: end)
        }
        var entries: [Entry] = []
        var names: Set<ExactString> = []
        var offset = start
        for index in 0..<count {
            guard offset + directoryRecordBytes <= end, records.u32(offset) == 0x0201_4B50 else {
                throw .entryMalformed(index: index, offset: offset)
            }
            let nameEnd = offset + directoryRecordBytes + records.u16(offset + 28)
            let recordEnd = nameEnd + records.u16(offset + 30) + records.u16(offset + 32)
            guard recordEnd <= end else { throw .entryMalformed(index: index, offset: offset) }
            guard let name = String(validating: bytes[(offset + directoryRecordBytes)..<nameEnd], as: UTF8.self) else {
                throw .nameNotText(index: index)
            }
            guard names.insert(ExactString(name)).inserted else { throw .repeatedName(name) }
            entries.append(try entry(name, records, offset))
            offset = recordEnd
        }
        guard offset == end else { throw .entryMalformed(index: count, offset: offset) }
        return (entries, start)
    }

    private static func entry(_ name: String, _ records: LittleEndianBytes, _ offset: Int) throws(ZipProblem) -> Entry {
        let (flags, method) = (records.u16(offset + 8), records.u16(offset + 10))
        guard flags & 1 == 0 else { throw .encrypted(entry: name) }
        guard method == 0 || method == 8 else { throw .unsupportedMethod(entry: name, method: method) }
        let (compressed, byteCount) = (records.u32(offset + 20), records.u32(offset + 24))
        let local = records.u32(offset + 42)
        guard compressed != 0xFFFF_FFFF, byteCount != 0xFFFF_FFFF, local != 0xFFFF_FFFF else { throw .largeFormat }
        if method == 0, compressed != byteCount {
            throw .sizeMismatch(entry: name, expected: byteCount, got: compressed)
        }
        if method == 8, byteCount > mostExpansion * compressed + 64 {
            throw .impossibleSize(entry: name, compressed: compressed, claimed: byteCount)
        }
        return Entry(
            name: name, isDeflated: method == 8, checksum: UInt32(records.u32(offset + 16)),
            compressedByteCount: compressed, byteCount: byteCount, localOffset: local)
    }

    /// The end record is followed by nothing but its own comment.
    private static func endRecord(_ bytes: UnsafeRawBufferPointer) throws(ZipProblem) -> Int {
        let records = LittleEndianBytes(bytes)
        let last = bytes.count - endRecordBytes
        for offset in stride(from: last, through: max(0, last - 0xFFFF), by: -1)
        where records.u32(offset) == 0x0605_4B50 && offset + endRecordBytes + records.u16(offset + 20) == bytes.count {
            return offset
        }
        throw .notAnArchive
    }

    /// The entry's bytes, inflated where they are deflated, checked against their checksum.
    func contents(_ entry: Entry) throws(ZipProblem) -> TensorStorage {
        try storage.withBytes { bytes throws(ZipProblem) in
            let records = LittleEndianBytes(bytes)
            let header = entry.localOffset
            guard header + Self.localRecordBytes <= directoryStart, records.u32(header) == 0x0403_4B50 else {
                throw .entryPastEnd(entry: entry.name, end: header + Self.localRecordBytes, available: directoryStart)
            }
            let begin = header + Self.localRecordBytes + records.u16(header + 26) + records.u16(header + 28)
            let end = begin + entry.compressedByteCount
            guard end <= directoryStart else {
                throw .entryPastEnd(entry: entry.name, end: end, available: directoryStart)
            }
            let stored = UnsafeRawBufferPointer(rebasing: bytes[begin..<end])
            var isComplete = true
            let contents = TensorStorage(byteCount: entry.byteCount) { target in
                if entry.isDeflated {
                    isComplete = Self.inflate(stored, into: target)
                } else {
                    target.copyMemory(from: stored)
                }
            }
            guard isComplete else { throw .damagedStream(entry: entry.name) }
            let checksum = contents.withBytes { Self.checksum($0) }
            guard checksum == entry.checksum else {
                throw .checksumMismatch(entry: entry.name, expected: entry.checksum, got: checksum)
            }
            return contents
        }
    }

    /// Whether the stream is sound and fills `target` exactly.
    private static func inflate(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) -> Bool {
        var stream = z_stream()
        // Negative: without a header around the deflated bytes.
        guard inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return false
        }
        defer { inflateEnd(&stream) }
        stream.next_in = UnsafeMutablePointer(mutating: source.bindMemory(to: UInt8.self).baseAddress)
        stream.avail_in = UInt32(source.count)
        stream.next_out = target.bindMemory(to: UInt8.self).baseAddress
        stream.avail_out = UInt32(target.count)
        return CZlib.inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_out == 0 && stream.avail_in == 0
    }

    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var sum = crc32(0, nil, 0)
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
            sum = crc32(sum, piece.bindMemory(to: UInt8.self).baseAddress, UInt32(piece.count))
            rest = rest.dropFirst(piece.count)
        }
        return UInt32(truncatingIfNeeded: sum)
    }

    /// An archive of stored entries, in order, without times.
    static func bytes(of files: [(name: String, bytes: [UInt8])]) throws(ZipProblem) -> [UInt8] {
        var archive: [UInt8] = []
        var directory: [UInt8] = []
        for (name, bytes) in files {
            let total = archive.count + bytes.count
            guard total < 0xFFFF_FFFF, files.count < 0xFFFF else { throw .tooLarge(byteCount: total) }
            let name = Array(name.utf8)
            let sum = bytes.withUnsafeBytes { checksum($0) }
            // Version 2.0, names in UTF-8, stored, 1 January 1980.
            var common: [UInt8] = []
            for half in [20, 0x0800, 0, 0, 0x0021] { common += littleEndian(UInt16(half)) }
            common += littleEndian(sum) + littleEndian(UInt32(bytes.count)) + littleEndian(UInt32(bytes.count))
            common += littleEndian(UInt16(truncatingIfNeeded: name.count)) + littleEndian(UInt16(0))
            directory += littleEndian(UInt32(0x0201_4B50)) + littleEndian(UInt16(20)) + common
            for _ in 0..<3 { directory += littleEndian(UInt16(0)) }
            directory += littleEndian(UInt32(0)) + littleEndian(UInt32(archive.count)) + name
            archive += littleEndian(UInt32(0x0403_4B50)) + common + name + bytes
        }
        let start = archive.count
        guard start + directory.count < 0xFFFF_FFFF else { throw .tooLarge(byteCount: start + directory.count) }
        archive += directory + littleEndian(UInt32(0x0605_4B50)) + littleEndian(UInt32(0))
        for _ in 0..<2 { archive += littleEndian(UInt16(files.count)) }
        return archive + littleEndian(UInt32(directory.count)) + littleEndian(UInt32(start)) + littleEndian(UInt16(0))
    }

    private static func littleEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
}

/// Numbers at byte offsets that the caller has checked.
private struct LittleEndianBytes {
    private let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    func u16(_ offset: Int) -> Int {
        Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
    }

    func u32(_ offset: Int) -> Int {
        Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
}
