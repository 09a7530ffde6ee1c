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
    private let lock: Int32
    private let state: Mutex<State>

    private struct State {
        var records: [String: JSONValue]
        var handle: FileHandle
    }

    /// Opens or creates the journal in `folder`.
    ///
    /// - Parameter identity: named properties of the run (weights, recipe, seed ...); all must be equal to those the
    ///   journal was created with.
    /// - Throws: `CompressionError.journalMismatch`, `.journalUnreadable`, `.journalInUse`.
    public init(folder: URL, identity: [(name: String, value: String)]) throws {
        self.folder = folder
        try FileManager.default.createDirectory(
            at: folder.appending(path: "tensors"), withIntermediateDirectories: true)
        let descriptor = open(folder.appending(path: "lock").path, O_RDWR | O_CREAT, 0o644)
        guard descriptor >= 0 else {
            throw CompressionError.journalUnreadable(file: folder.path, reason: String(cString: strerror(errno)))
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw CompressionError.journalInUse(folder: folder.path)
        }
        lock = descriptor
        do {
            try Self.check(identity, in: folder)
            let file = folder.appending(path: "records.jsonl")
            let (records, length) = try Self.read(file)
            if !FileManager.default.fileExists(atPath: file.path) { try Data().write(to: file) }
            let handle = try FileHandle(forUpdating: file)
            try handle.truncate(atOffset: UInt64(length))
            try handle.seekToEnd()
            state = Mutex(State(records: records, handle: handle))
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(lock) }

    /// Number of pieces found or recorded.
    public var count: Int { state.withLock { $0.records.count } }

    public subscript(key: String) -> JSONValue? { state.withLock { $0.records[key] } }

    /// Appends a finished piece.
    public func record(_ key: String, _ value: JSONValue) throws {
        let line: JSONValue = ["key": .string(key), "value": value]
        let bytes = try line.serialized() + [UInt8(ascii: "\n")]
        try state.withLock { state in
            try state.handle.write(contentsOf: bytes)
            state.records[key] = value
        }
    }

    /// Removes the journal: the output is complete.
    public func remove() throws { try FileManager.default.removeItem(at: folder) }

    private static func check(_ identity: [(name: String, value: String)], in folder: URL) throws {
        let file = folder.appending(path: "fingerprint.json")
        var object = JSONObject()
        for (name, value) in identity { object[name] = .string(value) }
        guard let data = try? Data(contentsOf: file) else {
            try Data(JSONValue.object(object).serialized(pretty: true)).write(to: file, options: .atomic)
            return
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
