import Foundation
import ModelFiles
import Synchronization

/// What a compression has found so far, kept beside its output so that a killed run continues.
///
/// A folder with `fingerprint.json` (what the run was started on) and `records.jsonl`: one line for each finished
/// piece of work, `{"key": ..., "value": ...}`, appended in one write. A line cut short by a kill is dropped on
/// opening. Since every piece is deterministic, a run that finds some pieces recorded ends with the same bytes
/// as one that computes them all. Larger values (Gram matrices, factors) are files written whole and renamed.
public final class Journal: Sendable {
    public let folder: URL
    /// Before every key; of a part of the work, its name.
    let prefix: String
    private let lines: Lines

    /// The file of records and what was read of it or written to it, whichever part of the work it belongs to.
    private final class Lines: Sendable {
        let file: String
        let lock: Int32
        /// Of the file, at its end.
        let descriptor: Int32
        let records: Mutex<[String: JSONValue]>

        init(file: String, lock: Int32, descriptor: Int32, records: [String: JSONValue]) {
            (self.file, self.lock, self.descriptor) = (file, lock, descriptor)
            self.records = Mutex(records)
        }

        deinit {
            close(descriptor)
            close(lock)
        }
    }

    /// Where the journal of what writes `output` is.
    static func folder(beside output: String) -> URL { URL(fileURLWithPath: output + ".journal", isDirectory: true) }

    /// Opens or creates the journal in `folder`.
    ///
    /// - Parameter identity: named properties of the run (weights, recipe, seed ...); all must be equal to those the
    ///   journal was created with.
    /// - Throws: `CompressionError.journalMismatch`, `.journalUnreadable`, `.journalNotWritable`, `.journalInUse`.
    public init(folder: URL, identity: [(name: String, value: String)]) throws {
        self.folder = folder
        prefix = ""
        try Self.makeFolder(folder.appending(path: "tensors").path)
        let descriptor = open(folder.appending(path: "lock").path, O_RDWR | O_CREAT, 0o644)
        guard descriptor >= 0 else {
            throw CompressionError.journalUnreadable(file: folder.path, reason: String(cString: strerror(errno)))
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw CompressionError.journalInUse(folder: folder.path)
        }
        do {
            try Self.check(identity, in: folder)
            let file = folder.appending(path: "records.jsonl")
            let (records, length) = try Self.read(file)
            let end = open(file.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
            guard end >= 0, ftruncate(end, off_t(length)) == 0, lseek(end, 0, SEEK_END) >= 0 else {
                let reason = String(cString: strerror(errno))
                if end >= 0 { close(end) }
                throw CompressionError.journalNotWritable(file: file.path, reason: reason)
            }
            lines = Lines(file: file.path, lock: descriptor, descriptor: end, records: records)
        } catch {
            close(descriptor)
            throw error
        }
    }

    private init(_ journal: Journal, prefix: String) {
        (folder, lines) = (journal.folder, journal.lines)
        self.prefix = prefix
    }

    /// The same journal for one part of the work, "25 % of bytes": what is recorded under its keys is found by it alone.
    package func part(_ name: String) -> Journal { Journal(self, prefix: "\(prefix)\(name): ") }

    /// Number of pieces found or recorded, of all parts.
    public var count: Int { lines.records.withLock { $0.count } }

    public subscript(key: String) -> JSONValue? { lines.records.withLock { $0[prefix + key] } }

    /// Appends a finished piece.
    /// - Throws: `CompressionError.journalNotWritable`, say when the disk is full.
    public func record(_ key: String, _ value: JSONValue) throws {
        let key = prefix + key
        let line: JSONValue = ["key": .string(key), "value": value]
        let bytes = try line.serialized() + [UInt8(ascii: "\n")]
        try lines.records.withLock { records in
            try append(bytes)
            records[key] = value
        }
    }

    /// Removes the journal: the output is complete.
    public func remove() throws { try FileManager.default.removeItem(at: folder) }

    /// What is written of a line before the disk is full has no end, and is dropped on opening.
    private func append(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(lines.descriptor, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR { continue }
                throw CompressionError.journalNotWritable(file: lines.file, reason: String(cString: strerror(errno)))
            }
            rest = rest.dropFirst(written)
        }
    }

    /// A folder and those above it, where they are missing.
    private static func makeFolder(_ path: String) throws {
        if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
        let above = (path as NSString).deletingLastPathComponent
        if errno == ENOENT, !above.isEmpty, above != path {
            try makeFolder(above)
            if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
        }
        throw CompressionError.journalNotWritable(file: path, reason: String(cString: strerror(errno)))
    }

    private static func check(_ identity: [(name: String, value: String)], in folder: URL) throws {
        let file = folder.appending(path: "fingerprint.json")
        var object = JSONObject()
        for (name, value) in identity { object[name] = .string(value) }
        guard let data = try? Data(contentsOf: file) else {
            return try AtomicFile.write(JSONValue.object(object).serialized(pretty: true), to: file.path)
        }
        guard let stored = try? JSONValue.parse([UInt8](data)).objectValue else {
            throw CompressionError.journalUnreadable(file: file.path, reason: "not a JSON object")
        }
        let differs = identity.filter { stored[$0.name]?.stringValue != $0.value }.map(\.name)
        guard differs.isEmpty else { throw CompressionError.journalMismatch(folder: folder.path, differs: differs) }
    }

    /// The records, and the length up to which the file holds whole lines.
    private static func read(_ file: URL) throws -> (records: [String: JSONValue], length: Int) {
        guard let data = try? Data(contentsOf: file) else { return ([:], 0) }
        let bytes = [UInt8](data)
        var records: [String: JSONValue] = [:]
        var start = 0
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            guard let line = try? JSONValue.parse(Array(bytes[start..<end])), let key = line["key"]?.stringValue,
                let value = line["value"]
            else {
                throw CompressionError.journalUnreadable(file: file.path, reason: "line at byte \(start) is damaged")
            }
            records[key] = value
            start = end + 1
        }
        return (records, start)
    }
}
