import Foundation
import ModelFiles

/// Where results go. Unbuffered, so that a result is seen as soon as it is there and nothing is lost on a failure.
enum StandardOutput {
    /// - Throws: `CommandError.outputNotWritable` when what reads the output has gone or a disk is full.
    static func write(_ text: String) throws {
        do {
            try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
        } catch {
            throw CommandError.outputNotWritable
        }
    }

    /// A document over several lines, for programs and readable.
    /// - Throws: as above; `JSONError` for a number that JSON cannot hold.
    static func write(_ document: JSONValue) throws {
        try write(try document.text(pretty: true))
    }
}

extension JSONValue {
    /// A number, or null where there is none that JSON can hold.
    init(_ number: Double?) {
        self = number.flatMap { $0.isFinite ? .number($0) : nil } ?? .null
    }

    init(_ number: Int) { self = .integer(Int64(number)) }
}
