import ArgumentParser
import StructuredMatrices

/// Values of options that take several, separated by commas.
enum BenchList {
    /// - Throws: `ValidationError` naming the option, for an empty list or a value that `parse` refuses.
    static func values<Value>(_ option: String, _ text: String, expected: String, _ parse: (String) -> Value?)
        throws -> [Value]
    {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        return try parts.map { part in
            guard let value = parse(part) else {
                throw ValidationError("--\(option): expected \(expected), separated by commas, got '\(text)'")
            }
            return value
        }
    }

    /// - Throws: as `values`.
    static func counts(_ option: String, _ text: String, to most: Int) throws -> [Int] {
        try values(option, text, expected: "numbers from 1 to \(most)") { part in
            Int(part).flatMap { (1...most).contains($0) ? $0 : nil }
        }
    }

    /// Rows x columns, as "1024x4096".
    /// - Throws: as `values`.
    static func shapes(_ option: String, _ text: String) throws -> [MatrixShape] {
        let most = 1 << 16
        return try values(
            option, text, expected: "shapes such as 1024x4096 (rows x columns, each from 1 to \(most))"
        ) { part in
            let sizes = part.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
            guard sizes.count == 2, sizes.allSatisfy({ (1...most).contains($0) }) else { return nil }
            return MatrixShape(rows: sizes[0], columns: sizes[1])
        }
    }

    /// Of an enumeration's names.
    /// - Throws: as `values`.
    static func names<Value: RawRepresentable & CaseIterable>(
        _ option: String, _ text: String, _: Value.Type
    ) throws -> [Value] where Value.RawValue == String {
        let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
        return try values(option, text, expected: "some of \(known)") { Value(rawValue: $0) }
    }
}
