/// Text from a file made fit for a one-line message: quoted, control characters and line ends escaped, cut after 60 scalars.
package func quotedForMessage(_ text: String) -> String {
    var quoted = "\""
    for (index, scalar) in text.unicodeScalars.enumerated() {
        if index == 60 { return quoted + "…\"" }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse:
            quoted += "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
        default: quoted.unicodeScalars.append(scalar)
        }
    }
    return quoted + "\""
}

/// A path made fit for a one-line message: line ends and control characters escaped, nothing cut.
package func pathForMessage(_ path: String) -> String {
    guard
        path.unicodeScalars.contains(where: {
            $0.properties.generalCategory == .control || $0 == "\u{2028}" || $0 == "\u{2029}"
        })
    else { return path }
    return path.unicodeScalars.map { scalar in
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator:
            "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
        default: String(scalar)
        }
    }.joined()
}
