/// Text made safe for HTML that is also well-formed XML.
package enum Markup {
    /// `text` with the five special characters escaped, for content and for quoted attributes.
    ///
    /// Names come from files: characters that XML forbids, that control terminals or that reorder the text
    /// around them (general categories Cc and Cf) become U+FFFD.
    package static func escape(_ text: String) -> String {
        var escaped = ""
        escaped.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars { append(scalar, to: &escaped) }
        return escaped
    }

    /// `escape`, with places to break a line after dots, slashes and underscores.
    package static func breakable(_ name: String) -> String {
        var escaped = ""
        for scalar in name.unicodeScalars {
            append(scalar, to: &escaped)
            if scalar == "." || scalar == "/" || scalar == "_" { escaped += "<wbr/>" }
        }
        return escaped
    }

    private static func append(_ scalar: Unicode.Scalar, to escaped: inout String) {
        switch scalar {
        case "&": escaped += "&amp;"
        case "<": escaped += "&lt;"
        case ">": escaped += "&gt;"
        case "\"": escaped += "&quot;"
        case "'": escaped += "&#39;"
        case "\n", "\t": escaped += " "
        case _ where isUnsafe(scalar): escaped.unicodeScalars.append("\u{FFFD}")
        default: escaped.unicodeScalars.append(scalar)
        }
    }

    /// Controls, formatting characters and noncharacters.
    package static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: scalar.properties.isNoncharacterCodePoint
        }
    }
}
