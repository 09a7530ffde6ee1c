import Foundation

/// A name beside `path` that nothing has, in the same file system so that it can be renamed to it.
func temporarySibling(of path: String) -> String {
    let (folder, prefix) = temporaryNames(of: path)
    return joinPath(folder, prefix + String(UInt64.random(in: .min ... .max), radix: 36))
}

/// The folder above `path`, and what the names of its temporary siblings begin with.
func temporaryNames(of path: String) -> (folder: String, prefix: String) {
    var path = path
    while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
    let folder = folderAbove(path)
    let name = path.lastIndex(of: "/").map { path[path.index(after: $0)...] } ?? path[...]
    // Cut so that the decorated name stays within 255 bytes whatever the original's length.
    return (folder, ".\(String(decoding: name.utf8.prefix(160), as: UTF8.self)).partial-")
}

func folderAbove(_ path: String) -> String {
    path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
}

/// Makes a rename durable. File systems that cannot flush a folder are left alone: the rename has happened either way.
func flushFolder(of path: String) {
    let descriptor = open(folderAbove(path), O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = fsync(descriptor)
    close(descriptor)
}

/// The absolute path without links; nil when nothing is there.
func resolved(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    return String(cString: real)
}

/// Exchanges two folders in one step; false where the system or the file system cannot.
func exchange(_ first: String, _ second: String) -> Bool {
    #if canImport(Darwin)
        return renamex_np(first, second, UInt32(RENAME_SWAP)) == 0
    #else
        // The C library has the function, but declares it only to programs that ask for GNU extensions.
        typealias Rename =
            @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
        guard let symbol = dlsym(nil, "renameat2") else { return false }
        let exchangeFlag: UInt32 = 2
        return unsafeBitCast(symbol, to: Rename.self)(AT_FDCWD, first, AT_FDCWD, second, exchangeFlag) == 0
    #endif
}
