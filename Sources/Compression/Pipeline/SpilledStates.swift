import Foundation
import ModelFiles
import Tensors

/// What a model computed of batches of sequences (hidden states between two blocks, scores), a row for each token: in
/// memory, or, where it is much, in a file that has no name and ends with this value.
///
/// One thread sets; any may read what was set before.
package final class SpilledStates: @unchecked Sendable {
    /// Bytes kept in memory at most, where it is scarce.
    package static let memoryLimit = 64 << 20

    private let rows: [Int]
    private let columns: Int
    /// Of each batch that was set: `columns`, or fewer.
    private var widths: [Int]
    /// Where each batch begins in the file, in bytes.
    private let offsets: [Int]
    private var kept: [Matrix?]
    private var isWritten: [Bool]
    private let file: (path: String, descriptor: Int32)?

    /// - Parameters:
    ///   - rows: tokens of every batch.
    ///   - columns: numbers of a token, at most.
    ///   - folder: where the file is made; nil keeps everything in memory.
    /// - Throws: `ModelFileError.notWritable`.
    package init(rows: [Int], columns: Int, folder: URL?) throws {
        self.rows = rows
        self.columns = columns
        widths = Array(repeating: columns, count: rows.count)
        var total = 0
        offsets = rows.map { count in
            defer { total += 4 * count * columns }
            return total
        }
        kept = Array(repeating: nil, count: rows.count)
        isWritten = Array(repeating: false, count: rows.count)
        guard let folder, total > Self.memoryLimit else {
            file = nil
            return
        }
        let path = folder.appending(path: "states-\(getpid())-\(UUID().uuidString)").path
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.notWritable(path) }
        unlink(path)
        file = (path, descriptor)
    }

    deinit {
        if let file { close(file.descriptor) }
    }

    /// The states of a batch, tokens x columns; nil before they were set.
    /// - Throws: `ModelFileError.notReadable`.
    package func states(of batch: Int) throws -> Matrix? {
        guard file != nil else { return kept[batch] }
        return isWritten[batch] ? try read(0..<rows[batch], of: batch) : nil
    }

    /// Shows `body` the rows of a batch that was set, in order; few of them are in memory at a time.
    /// - Throws: as above.
    package func forEachRow(of batch: Int, _ body: (_ row: Int, _ values: ArraySlice<Float>) -> Void) throws {
        if let states = kept[batch] {
            for row in 0..<states.rows { body(row, states.row(row)) }
            return
        }
        let rowsAtOnce = 32
        for first in stride(from: 0, to: rows[batch], by: rowsAtOnce) {
            let part = try read(first..<min(rows[batch], first + rowsAtOnce), of: batch)
            for row in 0..<part.rows { body(first + row, part.row(row)) }
        }
    }

    private func read(_ range: Range<Int>, of batch: Int) throws -> Matrix {
        var states = Matrix(rows: range.count, columns: widths[batch])
        guard let file else { return states }
        let start = offsets[batch] + 4 * range.lowerBound * widths[batch]
        try states.elements.withUnsafeMutableBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let buffer = UnsafeMutableRawBufferPointer(rebasing: rest)
                let count = pread(
                    file.descriptor, buffer.baseAddress, buffer.count, off_t(start + bytes.count - rest.count))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    throw ModelFileError.notReadable(file: file.path, reason: String(cString: strerror(errno)))
                }
                rest = rest.dropFirst(count)
            }
        }
        return states
    }

    /// - Precondition: as many tokens as were announced.
    /// - Throws: `ModelFileError.notWritable`.
    package func set(_ states: Matrix, of batch: Int) throws {
        precondition(states.rows == rows[batch] && states.columns <= columns)
        widths[batch] = states.columns
        guard let file else {
            kept[batch] = states
            return
        }
        try states.elements.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let buffer = UnsafeRawBufferPointer(rebasing: rest)
                let count = pwrite(
                    file.descriptor, buffer.baseAddress, buffer.count, off_t(offsets[batch] + bytes.count - rest.count))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw Self.notWritable(file.path) }
                rest = rest.dropFirst(count)
            }
        }
        isWritten[batch] = true
    }

    private static func notWritable(_ path: String) -> ModelFileError {
        .notWritable(file: path, reason: String(cString: strerror(errno)))
    }
}
