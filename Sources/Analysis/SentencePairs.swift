import Foundation

/// Two sentences and how similar people found them.
public struct SentencePair: Sendable, Equatable {
    public let first: String
    public let second: String
    public let score: Double

    public init(first: String, second: String, score: Double) {
        self.first = first
        self.second = second
        self.score = score
    }

    /// Reads `sentence,sentence,score` rows: commas between fields, quotes around those that hold commas, quotes (doubled)
    /// or line ends (RFC 4180). A first row whose third field is no number is a heading. Empty lines are skipped.
    /// - Throws: `AnalysisError.notReadable`, `.malformedRow`.
    public static func read(csv file: String) throws -> [SentencePair] {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: file))
        } catch {
            throw AnalysisError.notReadable(file: file, reason: "no such file, or no permission")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw AnalysisError.notReadable(file: file, reason: "not UTF-8")
        }
        return try parse(csv: text, file: file)
    }

    /// - Throws: `AnalysisError.malformedRow`, naming `file`.
    public static func parse(csv text: String, file: String) throws -> [SentencePair] {
        var pairs: [SentencePair] = []
        for (index, row) in try CSVRows.parse(text, file: file).enumerated() {
            guard row.fields.count == 3 else {
                throw AnalysisError.malformedRow(
                    file: file, line: row.line,
                    reason: "expected 3 fields (sentence,sentence,score), got \(row.fields.count)")
            }
            guard let score = Double(row.fields[2].trimmingCharacters(in: .whitespaces)), score.isFinite
            else {
                if index == 0 { continue }
                throw AnalysisError.malformedRow(
                    file: file, line: row.line, reason: "the third field is not a number")
            }
            pairs.append(SentencePair(first: row.fields[0], second: row.fields[1], score: score))
        }
        return pairs
    }
}

/// The rows of a CSV text, as RFC 4180 describes it.
private enum CSVRows {
    struct Row {
        /// Where the row begins, from 1.
        let line: Int
        var fields: [String]
    }

    static func parse(_ text: String, file: String) throws -> [Row] {
        let (comma, quote, newline, carriageReturn) =
            (UInt8(ascii: ","), UInt8(ascii: "\""), UInt8(ascii: "\n"), UInt8(ascii: "\r"))
        let bytes = Array(text.utf8)
        var rows: [Row] = []
        var (position, line) = (bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0, 1)
        while position < bytes.count {
            var row = Row(line: line, fields: [])
            var ended = false
            while !ended {
                var field: [UInt8] = []
                if position < bytes.count, bytes[position] == quote {
                    position += 1
                    var closed = false
                    while position < bytes.count, !closed {
                        let byte = bytes[position]
                        position += 1
                        if byte == quote, position < bytes.count, bytes[position] == quote {
                            field.append(quote)
                            position += 1
                        } else if byte == quote {
                            closed = true
                        } else {
                            if byte == newline { line += 1 }
                            field.append(byte)
                        }
                    }
                    guard closed else {
                        throw AnalysisError.malformedRow(
                            file: file, line: row.line, reason: "a quoted field is not closed")
                    }
                } else {
                    while position < bytes.count, bytes[position] != comma, bytes[position] != newline {
                        field.append(bytes[position])
                        position += 1
                    }
                    if field.last == carriageReturn, position == bytes.count || bytes[position] == newline {
                        field.removeLast()
                    }
                }
                row.fields.append(String(decoding: field, as: UTF8.self))
                if position < bytes.count, bytes[position] == carriageReturn { position += 1 }
                if position >= bytes.count {
                    ended = true
                } else if bytes[position] == newline {
                    position += 1
                    line += 1
                    ended = true
                } else if bytes[position] == comma {
                    position += 1
                } else {
                    throw AnalysisError.malformedRow(
                        file: file, line: row.line, reason: "text after a closing quote")
                }
            }
            if row.fields != [""] { rows.append(row) }
        }
        return rows
    }
}
