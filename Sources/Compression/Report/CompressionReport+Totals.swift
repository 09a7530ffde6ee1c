import StructuredMatrices

extension CompressionReport.MatrixRow {
    /// Whether the matrix took part in the compression (it may have been kept dense).
    public var tookPart: Bool { reason == nil }

    /// "low-rank rank=96", or why the matrix was left.
    public var outcome: String {
        if let reason { return "left: \(reason)" }
        return candidate ?? family ?? "left"
    }

    /// Bytes of the dense matrix in f16.
    package var bytesInF16: Double { 2 * denseMultiplyAdds }

    /// Multiply-adds of the dense matrix for one input row; a `Double`, as a hand-made shape may overflow.
    package var denseMultiplyAdds: Double { Double(shape.rows) * Double(shape.columns) }

    /// Stored bytes over the bytes of the dense matrix in f16.
    package var shareOfBytes: Double { Double(cost.storedBytes) / bytesInF16 }

    /// Multiply-adds over those of the dense matrix.
    package var shareOfMultiplyAdds: Double { Double(cost.multiplyAdds) / denseMultiplyAdds }
}

extension CompressionReport {
    /// A slice of the model's bytes, by what became of it.
    package struct Part: Sendable, Equatable {
        package enum Kind: Sendable, Equatable {
            case family(String)
            /// Matrices that took no part.
            case left
            /// Norms, biases and other tensors carried over.
            case otherTensors
            /// What the files hold beside tensors; negative if the files are smaller than their tensors.
            case container
        }

        package let kind: Kind
        package let name: String
        /// Matrices or tensors; nil for the container.
        package let count: Int?
        package let bytesBefore: Int
        package let bytesAfter: Int
    }

    /// The weight files in slices that add up to `fileBytesBefore` and `fileBytesAfter` exactly.
    package var parts: [Part] {
        var parts = familyNames.map { family in
            part(.family(family), named: family, of: matrices.filter { $0.tookPart && ($0.family ?? "") == family })
        }
        let left = matrices.filter { !$0.tookPart }
        if !left.isEmpty { parts.append(part(.left, named: "matrices left as they were", of: left)) }
        parts.append(
            Part(
                kind: .otherTensors, name: "other tensors (norms, biases …)", count: untouchedTensors,
                bytesBefore: untouchedBytes, bytesAfter: untouchedBytes))
        let before = fileBytesBefore - parts.reduce(0) { $0 + $1.bytesBefore }
        let after = fileBytesAfter - parts.reduce(0) { $0 + $1.bytesAfter }
        if before != 0 || after != 0 {
            let name = before >= 0 && after >= 0 ? "file headers" : "difference to the files on disk"
            parts.append(Part(kind: .container, name: name, count: nil, bytesBefore: before, bytesAfter: after))
        }
        return parts
    }

    private func part(_ kind: Part.Kind, named name: String, of rows: [MatrixRow]) -> Part {
        Part(
            kind: kind, name: name.isEmpty ? "unnamed family" : name, count: rows.count,
            bytesBefore: rows.reduce(0) { $0 + $1.sourceBytes }, bytesAfter: rows.reduce(0) { $0 + $1.cost.storedBytes })
    }

    /// Families in use: the registry's first, in its order, then others as they appear.
    private var familyNames: [String] {
        let used = matrices.filter(\.tookPart).map { $0.family ?? "" }
        var names = Families.names.filter(used.contains)
        for name in used where !names.contains(name) { names.append(name) }
        return names
    }

    /// A number for each family that ever appears in this report, for colours and markers: the place in the registry.
    package var familyStyles: [String: Int] {
        var names = Families.names
        for row in matrices {
            for name in row.curves.map(\.family) + [row.family].compactMap({ $0 }) where !names.contains(name) {
                names.append(name)
            }
        }
        return Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    }

    /// Matrices that took part.
    package var selectedCount: Int { matrices.count(where: \.tookPart) }
}
