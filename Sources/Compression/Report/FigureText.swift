import Foundation

/// Numbers as reports print them: the same bytes in every locale and on every run.
package enum FigureText {
    /// Stands for a figure that does not exist: a share of nothing, a value that is not finite.
    package static let absent = "–"

    /// "1,234,567".
    package static func grouped(_ value: Int) -> String {
        let digits = Array(String(value.magnitude).utf8)
        var text = value < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text += "," }
            text.unicodeScalars.append(Unicode.Scalar(digit))
        }
        return text
    }

    /// "1.23 MB": three significant digits, decimal units.
    package static func bytes(_ value: Int) -> String {
        scaled(Double(value), units: ["B", "kB", "MB", "GB", "TB", "PB", "EB"])
    }

    /// "10.6 M": three significant digits of a count.
    package static func count(_ value: Int) -> String {
        scaled(Double(value), units: ["", "k", "M", "G", "T", "P", "E"])
    }

    /// "50.0 %" for a quotient of 0.5.
    package static func percent(_ quotient: Double) -> String {
        quotient.isFinite ? fixed(100 * quotient, decimals: 1) + " %" : absent
    }

    /// `part` as a percentage of `whole`; `absent` when there is no whole.
    package static func share(_ part: Int, of whole: Int) -> String {
        whole > 0 ? percent(Double(part) / Double(whole)) : absent
    }

    /// "1.23e-4"; "0" for zero.
    package static func scientific(_ value: Double, decimals: Int = 2) -> String {
        guard value.isFinite else { return absent }
        guard value != 0 else { return "0" }
        let text = String(format: "%.\(decimals)e", value)
        guard let mark = text.firstIndex(of: "e"), let exponent = Int(text[text.index(after: mark)...]) else { return text }
        return "\(text[..<mark])e\(exponent)"
    }

    /// Three significant digits: "0.900", "12.3"; scientific when very small or large.
    package static func significant(_ value: Double) -> String {
        guard value.isFinite, value != 0, abs(value) >= 0.01, abs(value) < 9995 else { return scientific(value) }
        return fixed(value, decimals: max(0, 2 - Int(log10(abs(value)).rounded(.down))))
    }

    /// "0.50" with two decimals.
    package static func fixed(_ value: Double, decimals: Int) -> String {
        guard value.isFinite else { return absent }
        let text = String(format: "%.\(decimals)f", value)
        return text.hasPrefix("-") && text.allSatisfy { "-0.".contains($0) } ? String(text.dropFirst()) : text
    }

    /// A measured value: as many decimals as give its standard error two digits, else four digits in all.
    package static func measured(_ value: Double, standardError: Double?) -> String {
        guard value.isFinite else { return absent }
        return fixed(value, decimals: measuredDecimals(value, standardError: standardError))
    }

    /// Decimals that `measured` uses.
    package static func measuredDecimals(_ value: Double, standardError: Double?) -> Int {
        if let standardError, standardError.isFinite, standardError > 0 {
            return min(6, max(0, 1 - Int(log10(standardError).rounded(.down))))
        }
        guard value.isFinite, value != 0 else { return 3 }
        return min(6, max(0, 3 - Int(log10(abs(value)).rounded(.down))))
    }

    private static func scaled(_ value: Double, units: [String]) -> String {
        var magnitude = abs(value)
        var unit = 0
        // 999.5 would print as 1000 of the smaller unit.
        while magnitude >= 999.5, unit + 1 < units.count {
            magnitude /= 1000
            unit += 1
        }
        let decimals = unit == 0 ? 0 : magnitude < 9.995 ? 2 : magnitude < 99.95 ? 1 : 0
        let number = (value < 0 ? "-" : "") + fixed(magnitude, decimals: decimals)
        return units[unit].isEmpty ? number : "\(number) \(units[unit])"
    }
}
