import Foundation

/// Reads a file or the standard input line by line, without waiting for its end.
///
/// Lines end at "\n" or "\r\n"; memory is that of the longest line.
struct LineReader {
    /// For messages: the path, or "standard input".
    let name: String
    private let handle: FileHandle
    private var buffer: [UInt8] = []
    /// Where the next line begins.
    private var position = 0
    /// No line ends between `position` and here.
    private var searched = 0
    private var isAtEnd = false
    private var line = 0

    /// - Parameter path: nil or "-" for the standard input.
    /// - Throws: `CommandError.inputNotReadable`.
    init(path: String?) throws {
        handle = try Self.open(path)
        name = path.flatMap { $0 == "-" ? nil : $0 } ?? "standard input"
    }

    /// - Throws: as `init`.
    fileprivate static func open(_ path: String?) throws -> FileHandle {
        guard let path, path != "-" else { return .standardInput }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw CommandError.inputNotReadable(path: path, reason: "no such file")
        }
        guard !isFolder.boolValue else { throw CommandError.inputNotReadable(path: path, reason: "it is a folder") }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw CommandError.inputNotReadable(path: path, reason: "it could not be opened")
        }
        return handle
    }

    /// The next line without its end, nil after the last.
    /// - Throws: `CommandError.notText` for a line that is not UTF-8, `.inputNotReadable`.
    mutating func next() throws -> String? {
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { (position, searched) = (end + 1, end + 1) }
                return try text(buffer[position..<end])
            }
            searched = buffer.count
            if isAtEnd {
                guard position < buffer.count else { return nil }
                defer { position = buffer.count }
                return try text(buffer[position...])
            }
            try fill()
        }
    }

    private mutating func fill() throws {
        buffer.removeFirst(position)
        (position, searched) = (0, searched - position)
        let chunk: Data?
        do {
            chunk = try handle.read(upToCount: 1 << 16)
        } catch {
            throw CommandError.inputNotReadable(path: name, reason: "reading failed")
        }
        if let chunk, !chunk.isEmpty { buffer.append(contentsOf: chunk) } else { isAtEnd = true }
    }

    private mutating func text(_ bytes: ArraySlice<UInt8>) throws -> String {
        line += 1
        let bytes = bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandError.notText(path: name, line: line)
        }
        return text
    }
}

/// Texts that figures are measured on.
enum TextFile {
    /// The distinct sentences of a file, one per line, in their order; blank lines are dropped.
    /// - Throws: as `LineReader`; `CommandError.emptyText`.
    static func sentences(_ path: String) throws -> [String] {
        var reader = try LineReader(path: path)
        var seen: Set<String> = []
        var sentences: [String] = []
        while let line = try reader.next() {
            let sentence = line.trimmingCharacters(in: .whitespaces)
            if !sentence.isEmpty, seen.insert(sentence).inserted { sentences.append(sentence) }
        }
        guard !sentences.isEmpty else { throw CommandError.emptyText(path: path) }
        return sentences
    }

    /// A whole file, or the standard input for "-", line ends as they are.
    /// - Throws: `CommandError.inputNotReadable`, `.notText`, `.emptyText`.
    static func whole(_ path: String) throws -> String {
        let data: Data
        do {
            data = try LineReader.open(path).readToEnd() ?? Data()
        } catch let error as CommandError {
            throw error
        } catch {
            throw CommandError.inputNotReadable(path: path, reason: "reading failed")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw CommandError.notText(path: path, line: nil)
        }
        guard text.contains(where: { !$0.isWhitespace }) else { throw CommandError.emptyText(path: path) }
        return text
    }
}
