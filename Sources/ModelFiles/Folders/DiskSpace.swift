import Foundation

/// Free bytes that an ordinary user may still write on the disk of a path; nil when the system cannot say.
public func freeByteCount(at path: String) -> Int? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return overflow ? Int.max : Int(clamping: bytes)
}

/// - Throws: `ModelFileError.insufficientSpace`.
func checkFreeSpace(beside path: String, requiredBytes: Int) throws(ModelFileError) {
    guard let available = freeByteCount(at: temporaryNames(of: path).folder), available < requiredBytes else {
        return
    }
    throw .insufficientSpace(path: path, required: requiredBytes, available: available)
}
