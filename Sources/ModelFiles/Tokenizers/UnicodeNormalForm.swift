import Foundation

/// The four normal forms (Unicode Standard Annex 15), as of Unicode 9: see `UnicodeEditions.swift`. A scalar that came later
/// is left as it is and counts as a base character.
enum UnicodeNormalForm: String, Sendable {
    case canonicalDecomposition = "NFD"
    case canonicalComposition = "NFC"
    case compatibilityDecomposition = "NFKD"
    case compatibilityComposition = "NFKC"

    func apply(to text: [UInt8]) -> [UInt8] {
        if text.allSatisfy({ $0 < 0x80 }) { return text }
        switch self {
        case .canonicalDecomposition, .compatibilityDecomposition: return decomposed(text)
        case .canonicalComposition, .compatibilityComposition: return composed(text)
        }
    }

    private static func isKnown(_ scalar: Unicode.Scalar) -> Bool {
        guard !scalar.isASCII else { return true }
        guard let age = scalar.properties.age else { return false }
        return age.major <= 9
    }

    /// Decomposes scalar by scalar, remembering each answer, then puts runs of marks in canonical order: several times faster
    /// on long text than asking Foundation for all of it.
    private func decomposed(_ text: [UInt8]) -> [UInt8] {
        var answers: [Unicode.Scalar: [MarkedScalar]] = [:]
        var result: [UInt8] = []
        result.reserveCapacity(text.count + text.count / 2)
        var marks: [MarkedScalar] = []
        func flushMarks() {
            if marks.isEmpty { return }
            if marks.count > 1 { Self.sortStably(&marks) }
            for mark in marks { result.append(mark.scalar) }
            marks.removeAll(keepingCapacity: true)
        }
        for (scalar, _) in UTF8Scalars(text) {
            if scalar.isASCII {
                flushMarks()
                result.append(scalar)
                continue
            }
            let parts: [MarkedScalar]
            if let known = answers[scalar] {
                parts = known
            } else {
                parts = decompose(scalar)
                answers[scalar] = parts
            }
            for part in parts {
                if part.combiningClass == 0 {
                    flushMarks()
                    result.append(part.scalar)
                } else {
                    marks.append(part)
                }
            }
        }
        flushMarks()
        return result
    }

    private struct MarkedScalar {
        let scalar: Unicode.Scalar
        let combiningClass: UInt8
    }

    private static func sortStably(_ marks: inout [MarkedScalar]) {
        let order = marks.indices.sorted { (marks[$0].combiningClass, $0) < (marks[$1].combiningClass, $1) }
        marks = order.map { marks[$0] }
    }

    private func decompose(_ scalar: Unicode.Scalar) -> [MarkedScalar] {
        guard Self.isKnown(scalar) else { return [MarkedScalar(scalar: scalar, combiningClass: 0)] }
        let text = String(Character(scalar))
        let parts =
            self == .canonicalDecomposition
            ? text.decomposedStringWithCanonicalMapping : text.decomposedStringWithCompatibilityMapping
        return parts.unicodeScalars.map {
            MarkedScalar(scalar: $0, combiningClass: $0.properties.canonicalCombiningClass.rawValue)
        }
    }

    private func composed(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var runStart = 0
        func flush(upTo end: Int) {
            guard runStart < end else { return }
            let run = String(decoding: text[runStart..<end], as: UTF8.self)
            let normal =
                self == .canonicalComposition
                ? run.precomposedStringWithCanonicalMapping : run.precomposedStringWithCompatibilityMapping
            result.append(contentsOf: normal.utf8)
        }
        for (scalar, offset) in UTF8Scalars(text) where !Self.isKnown(scalar) {
            flush(upTo: offset)
            result.append(scalar)
            runStart = offset + UTF8.width(scalar)
        }
        flush(upTo: text.count)
        return result
    }
}
