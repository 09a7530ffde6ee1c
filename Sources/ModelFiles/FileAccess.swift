import Foundation
import Tensors

/// Maps a regular file; pipes and devices are refused before they can block.
func mapFile(_ path: String, isStreamed: Bool = false) throws(ModelFileError) -> TensorStorage {
    _ = try fileByteCount(path)
    do {
        return try TensorStorage(mapping: path, isStreamed: isStreamed)
    } catch TensorError.fileNotReadable(_, let reason) {
        throw .notReadable(file: path, reason: reason)
    } catch {
        throw .notReadable(file: path, reason: "\(error)")
    }
}

/// Size of a regular file, following symbolic links.
func fileByteCount(_ path: String) throws(ModelFileError) -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else { throw .notReadable(file: path, reason: systemErrorText()) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile(file: path) }
    return Int(status.st_size)
}

/// Whether something is there that opens as a regular file.
func isRegularFile(_ path: String) -> Bool { (try? fileByteCount(path)) != nil }

func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// The text of the C library's last error, before anything else can change it.
func systemErrorText() -> String { String(cString: strerror(errno)) }

func joinPath(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : folder + "/" + name
}

extension JSONValue {
    /// Parses a JSON file.
    /// - Parameter byteLimit: larger files are refused unread.
    /// - Throws: `ModelFileError.notReadable`, `.notARegularFile`, `.tooLarge`, `.notJSON`.
    public static func read(file: String, byteLimit: Int = 64 << 20) throws(ModelFileError) -> JSONValue {
        let storage = try mapFile(file)
        guard storage.byteCount <= byteLimit else {
            throw .tooLarge(file: file, byteCount: storage.byteCount, limit: byteLimit)
        }
        do throws(JSONError) {
            return try storage.withBytes { bytes throws(JSONError) in try parse(bytes) }
        } catch {
            throw .notJSON(file: file, error)
        }
    }
}
