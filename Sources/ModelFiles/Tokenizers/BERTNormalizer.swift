/// Text cleaning of BERT's basic tokenizer (Devlin et al. 2018): control characters out and white space to blanks, blanks
/// around ideographs, accents out, lower case; each as the file says.
struct BERTNormalizer: Sendable {
    var cleanText = true
    var separateIdeographs = true
    var stripAccents = true
    var lowercase = true

    func apply(to text: [UInt8]) -> [UInt8] {
        var text = text
        if cleanText || separateIdeographs { text = cleaned(text) }
        if stripAccents {
            text = Normalizer.filtered(UnicodeNormalForm.canonicalDecomposition.apply(to: text)) { !$0.isBERTAccent }
        }
        return lowercase ? Normalizer.lowercased(text) : text
    }

    private func cleaned(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        for (scalar, _) in UTF8Scalars(text) {
            if cleanText, scalar.isDroppedByBERT { continue }
            if cleanText, scalar.isPatternWhitespace {
                result.append(UInt8(ascii: " "))
            } else if separateIdeographs, scalar.isBERTIdeograph {
                result.append(UInt8(ascii: " "))
                result.append(scalar)
                result.append(UInt8(ascii: " "))
            } else {
                result.append(scalar)
            }
        }
        return result
    }
}
