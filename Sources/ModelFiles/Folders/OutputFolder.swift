import Foundation
import Synchronization

/// A folder that appears under its name only when everything in it is written.
///
/// Files go to a hidden folder beside the destination; `commit()` flushes them to the disk and renames the folder into place.
/// Without `commit()` the hidden folder is removed with the value. A killed process leaves it behind; the next `OutputFolder`
/// for the same destination removes it, told apart from one in use by an advisory lock.
public final class OutputFolder: Sendable {
    public let destination: String
    /// The temporary folder to write into.
    public let path: String
    private let replacing: Bool
    private let lock: Int32
    private let isCommitted = Mutex(false)

    /// - Parameters:
    ///   - replacing: whether `commit()` may take the place of a folder that has something in it.
    ///   - requiredBytes: what will be written, checked against the free space of the disk.
    /// - Throws: `ModelFileError.destinationExists`, `.insufficientSpace`, `.notWritable` (the folder above must exist).
    public init(destination: String, replacing: Bool = false, requiredBytes: Int = 0) throws(ModelFileError) {
        // A link stays, and the folder it leads to is written.
        self.destination = resolved(destination) ?? destination
        self.replacing = replacing
        try Self.checkDestination(self.destination, replacing: replacing)
        try checkFreeSpace(beside: self.destination, requiredBytes: requiredBytes)
        Self.removeAbandoned(besides: self.destination)
        (path, lock) = try Self.makeLockedSibling(of: self.destination)
    }

    deinit {
        if !isCommitted.withLock({ $0 }) { try? FileManager.default.removeItem(atPath: path) }
        close(lock)
    }

    /// Where a file of the folder is written to.
    public func file(_ name: String) -> String { joinPath(path, name) }

    /// Flushes every file and renames the folder to its destination. A folder replaced is removed only afterwards.
    /// - Throws: `ModelFileError.destinationExists`, `.notWritable`; the destination is then as it was.
    public func commit() throws(ModelFileError) {
        try flush()
        try Self.checkDestination(destination, replacing: replacing)
        if rename(path, destination) == 0 {
            isCommitted.withLock { $0 = true }
        } else {
            guard replacing, errno == ENOTEMPTY || errno == EEXIST else {
                throw .notWritable(file: destination, reason: systemErrorText())
            }
            try replace()
        }
        flushFolder(of: destination)
    }

    private func replace() throws(ModelFileError) {
        if exchange(path, destination) {
            isCommitted.withLock { $0 = true }
            try? FileManager.default.removeItem(atPath: path)
            return
        }
        // Not a temporary name: killed between the two renames, this is all that is left of the old folder.
        let old = destination + ".replaced-" + String(UInt64.random(in: .min ... .max), radix: 36)
        guard rename(destination, old) == 0 else {
            throw .notWritable(file: destination, reason: systemErrorText())
        }
        guard rename(path, destination) == 0 else {
            let reason = systemErrorText()
            rename(old, destination)
            throw .notWritable(file: destination, reason: reason)
        }
        isCommitted.withLock { $0 = true }
        try? FileManager.default.removeItem(atPath: old)
    }

    private func flush() throws(ModelFileError) {
        var items = [path]
        if let enumerator = FileManager.default.enumerator(atPath: path) {
            while let name = enumerator.nextObject() as? String { items.append(joinPath(path, name)) }
        }
        for item in items {
            var status = stat()
            guard lstat(item, &status) == 0 else { throw .notWritable(file: item, reason: systemErrorText()) }
            guard [S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) else { continue }
            let descriptor = open(item, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw .notWritable(file: item, reason: systemErrorText()) }
            defer { close(descriptor) }
            // Not every file system can flush a folder; its files matter.
            guard fsync(descriptor) == 0 || status.st_mode & S_IFMT == S_IFDIR else {
                throw .notWritable(file: item, reason: systemErrorText())
            }
        }
    }

    private static func checkDestination(_ destination: String, replacing: Bool) throws(ModelFileError) {
        var status = stat()
        guard lstat(destination, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .notWritable(file: destination, reason: "exists and is not a folder")
        }
        guard !replacing else { return }
        let names = try? FileManager.default.contentsOfDirectory(atPath: destination)
        guard names?.isEmpty == true else { throw .destinationExists(path: destination) }
    }

    private static func makeLockedSibling(of destination: String) throws(ModelFileError) -> (
        path: String, lock: Int32
    ) {
        // Another process may take a folder that is not yet locked for an abandoned one and remove it: then try again.
        for _ in 0..<8 {
            let path = temporarySibling(of: destination)
            guard mkdir(path, 0o777) == 0 else {
                throw .notWritable(file: destination, reason: systemErrorText())
            }
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            _ = flock(descriptor, LOCK_EX | LOCK_NB)
            if isDirectory(path) { return (path, descriptor) }
            close(descriptor)
        }
        throw .notWritable(file: destination, reason: "its temporary folder disappears")
    }

    private static func removeAbandoned(besides destination: String) {
        let (folder, prefix) = temporaryNames(of: destination)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for name in names where name.hasPrefix(prefix) {
            let path = joinPath(folder, name)
            let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { try? FileManager.default.removeItem(atPath: path) }
        }
    }
}
