import Transformers

/// Which matrices take part, and why the others do not.
public struct MatrixSelection: Sendable, Equatable {
    public enum Scope: String, Sendable, CaseIterable {
        /// The linear layers.
        case linear
        /// The linear layers and the embedding tables; bytes are counted over the whole file, or over the matrices named by
        /// patterns.
        case all

        /// What is meant where nothing is said: tables take part where bytes count, which in small models are mostly theirs; they
        /// have no multiply-adds or time to save.
        public static func standard(for quantities: [Budget.Quantity]) -> Scope {
            quantities.contains(.bytes) ? .all : .linear
        }
    }

    public var scope: Scope
    /// Shell-style patterns over matrix names (`*`, `?`); empty means every matrix of the scope.
    public var only: [String]
    public var except: [String]

    public init(scope: Scope = .linear, only: [String] = [], except: [String] = []) {
        self.scope = scope
        self.only = only
        self.except = except
    }

    /// Splits the sites into those that take part and those left, each with a reason.
    /// - Throws: `CompressionError.patternMatchesNothing`.
    public func split(_ sites: [MatrixSite]) throws -> (selected: [MatrixSite], left: [(site: MatrixSite, reason: String)]) {
        for pattern in only + except where !sites.contains(where: { Self.matches($0.name, pattern) }) {
            throw CompressionError.patternMatchesNothing(pattern: pattern)
        }
        var selected: [MatrixSite] = []
        var left: [(site: MatrixSite, reason: String)] = []
        for site in sites {
            if site.role == .embedding, scope == .linear {
                left.append((site, "embedding table, outside --scope linear"))
            } else if !only.isEmpty, !only.contains(where: { Self.matches(site.name, $0) }) {
                left.append((site, "not matched by --only"))
            } else if let pattern = except.first(where: { Self.matches(site.name, $0) }) {
                left.append((site, "excepted by '\(pattern)'"))
            } else {
                selected.append(site)
            }
        }
        return (selected, left)
    }

    /// Shell-style matching: `*` any run of characters, `?` one character.
    static func matches(_ name: String, _ pattern: String) -> Bool {
        let (text, glob) = (Array(name.utf8), Array(pattern.utf8))
        var (position, place) = (0, 0)
        var star: (place: Int, position: Int)?
        while position < text.count {
            if place < glob.count, glob[place] == UInt8(ascii: "*") {
                star = (place, position)
                place += 1
            } else if place < glob.count, glob[place] == UInt8(ascii: "?") || glob[place] == text[position] {
                place += 1
                position += 1
            } else if let last = star {
                star = (last.place, last.position + 1)
                place = last.place + 1
                position = last.position + 1
            } else {
                return false
            }
        }
        return glob[place...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
