import Compression
import StructuredMatrices

/// A small report with one of everything: two families, a matrix left, an odd quality row.
enum ReportSample {
    static func row(
        _ name: String, rows: Int = 8, columns: Int = 4, family: String? = "low-rank", candidate: String? = "low-rank rank=2",
        reason: String? = nil, bytes: Int = 48, multiplyAdds: Int = 24, error: Double = 0.0123
    ) -> CompressionReport.MatrixRow {
        CompressionReport.MatrixRow(
            name: name, shape: MatrixShape(rows: rows, columns: columns), role: "linear", family: family, candidate: candidate,
            reason: reason, cost: Cost(parameters: multiplyAdds, storedBytes: bytes, multiplyAdds: multiplyAdds),
            sourceBytes: 4 * rows * columns, relativeError: error, sensitivity: 2.5,
            spectrum: reason == nil ? [1, 0.5, 0.25, 0] : [],
            curves: reason != nil
                ? []
                : [
                    (
                        "low-rank",
                        [
                            .init(label: "low-rank rank=1", storedBytes: 24, multiplyAdds: 12, relativeError: 0.2),
                            .init(label: "low-rank rank=2", storedBytes: 48, multiplyAdds: 24, relativeError: 0.0123),
                        ]
                    ),
                    ("dense", [.init(label: "dense f16", storedBytes: 64, multiplyAdds: 32, relativeError: 0)]),
                ])
    }

    static func report(
        _ matrices: [CompressionReport.MatrixRow], model: String = "tiny", quality: [CompressionReport.QualityRow] = [],
        headerBytes: Int = 100
    ) -> CompressionReport {
        let selected = matrices.filter(\.tookPart)
        return CompressionReport(
            modelName: model, architecture: "bert",
            recipe: [("budget", "--size 50%"), ("objective", "activations"), ("seed", "7")], matrices: matrices,
            untouchedTensors: 5, untouchedBytes: 640,
            selectedBytesInF16: selected.reduce(0) { $0 + 2 * $1.shape.count },
            selectedBytes: selected.reduce(0) { $0 + $1.cost.storedBytes },
            selectedMultiplyAddsDense: selected.reduce(0) { $0 + $1.shape.count },
            selectedMultiplyAdds: selected.reduce(0) { $0 + $1.cost.multiplyAdds },
            fileBytesBefore: matrices.reduce(0) { $0 + $1.sourceBytes } + 640 + headerBytes,
            fileBytesAfter: matrices.reduce(0) { $0 + $1.cost.storedBytes } + 640 + headerBytes,
            qualityText: "64 held-out sentences", quality: quality, allocationNotes: ["within 0.1 % of the optimum"])
    }

    static var small: CompressionReport {
        report(
            [
                row("embeddings.word", rows: 16, family: nil, candidate: nil, reason: "embedding table, outside --scope linear", bytes: 128, multiplyAdds: 64, error: 0),
                row("encoder.layer.0.query"),
                row("encoder.layer.0.key", family: "dense", candidate: "dense f16", bytes: 64, multiplyAdds: 32, error: 7e-8),
                row("pooler.dense", error: 0.5),
            ],
            quality: [
                .init(name: "mean cosine", dense: 1, compressed: 0.98765, standardError: 0.0012),
                .init(name: "perplexity", dense: nil, compressed: 13.456, standardError: nil),
            ])
    }
}
