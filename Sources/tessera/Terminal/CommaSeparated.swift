import ArgumentParser
import Foundation

/// Values of options that are lists separated by commas.
enum CommaSeparated {
    /// The parts without blanks around them; empty for nil.
    /// - Throws: `ValidationError` where a part is empty.
    static func names(_ text: String?, option: String) throws -> [String] {
        guard let text else { return [] }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
        guard parts.allSatisfy({ !$0.isEmpty }) else {
            throw ValidationError("\(option): expected names separated by commas, got '\(text)'")
        }
        return parts
    }

    /// - Throws: `ValidationError` naming the option, the range and the text.
    static func integers(_ text: String, in range: ClosedRange<Int>, option: String) throws -> [Int] {
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map {
            Int($0.trimmingCharacters(in: .whitespaces))
        }
        let known = numbers.compactMap { $0 }.filter { range.contains($0) }
        guard known.count == numbers.count, !known.isEmpty else {
            throw ValidationError(
                "\(option): expected numbers from \(range.lowerBound) to \(range.upperBound), separated by commas, got '\(text)'")
        }
        return known
    }
}
