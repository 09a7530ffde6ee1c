import Foundation
import Tensors

/// A file that appears under its name only when it is complete.
///
/// Bytes go to a hidden temporary file in the same folder; `commit()` flushes it to the disk and renames it into place,
/// replacing what was there. Without `commit()` the temporary file is removed when the value goes away.
public struct AtomicFile: ~Copyable {
    public let path: String
    private let temporaryPath: String
    private let descriptor: Int32
    private var isCommitted = false

    /// - Throws: `ModelFileError.notWritable`.
    public init(path: String) throws(ModelFileError) {
        self.path = path
        temporaryPath = temporarySibling(of: path)
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .notWritable(file: path, reason: systemErrorText()) }
    }

    deinit {
        close(descriptor)
        if !isCommitted { unlink(temporaryPath) }
    }

    /// Appends bytes.
    /// - Throws: `ModelFileError.notWritable`.
    public mutating func write(_ bytes: UnsafeRawBufferPointer) throws(ModelFileError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = Foundation.write(
                descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, min(rest.count, 1 << 30))
            if written < 0 {
                if errno == EINTR { continue }
                throw .notWritable(file: path, reason: systemErrorText())
            }
            rest = rest.dropFirst(written)
        }
    }

    /// Flushes the file to the disk and gives it its name.
    /// - Throws: `ModelFileError.notWritable`; what was there before is then unchanged.
    public consuming func commit() throws(ModelFileError) {
        guard fsync(descriptor) == 0 else { throw .notWritable(file: path, reason: systemErrorText()) }
        guard rename(temporaryPath, path) == 0 else {
            throw .notWritable(file: path, reason: systemErrorText())
        }
        isCommitted = true
        flushFolder(of: path)
    }

    /// Writes a whole file at once.
    /// - Throws: `ModelFileError.notWritable`.
    public static func write(_ bytes: [UInt8], to path: String) throws(ModelFileError) {
        var file = try AtomicFile(path: path)
        let result: Result<Void, ModelFileError> = bytes.withUnsafeBytes { raw in
            do throws(ModelFileError) { return .success(try file.write(raw)) } catch {
                return .failure(error)
            }
        }
        try result.get()
        try file.commit()
    }

    public static func write(_ text: String, to path: String) throws(ModelFileError) {
        try write(Array(text.utf8), to: path)
    }
}
