import Fitting
import Foundation
import ModelFiles
import Tensors
import Transformers

/// The rows of a study, and what they have in common.
public struct StudyResults: Sendable {
    /// What rows must agree in to stand in one file.
    public let identity: [(name: String, value: String)]
    public let matrices: [(name: String, shape: [Int])]
    public let objectives: [Objective.Kind]
    public let dense: EncoderJudge.Verdict
    public private(set) var rows: [StudyRow] = []
    private static let version = 1
    /// What the identity says of statistics that were not used; files from before there were any lack them.
    static let none = "none"

    init(
        identity: [(name: String, value: String)], sites: [MatrixSite], objectives: [Objective.Kind],
        dense: EncoderJudge.Verdict
    ) {
        self.identity = identity
        self.matrices = sites.map { ($0.name, [$0.shape.rows, $0.shape.columns]) }
        self.objectives = objectives
        self.dense = dense
    }

    func contains(_ fitter: String, _ size: SizeShare) -> Bool {
        rows.contains { $0.fitter == fitter && $0.size == size.text }
    }

    mutating func append(_ row: StudyRow) { rows.append(row) }
    mutating func remove(fitters: [String]) { rows.removeAll { fitters.contains($0.fitter) } }

    /// Takes over the rows of a file.
    /// - Throws: `ModelFileError`; `CompressionError.studyUnreadable`, `.studyMismatch`.
    mutating func read(_ file: String) throws {
        let document = try JSONValue.read(file: file)
        guard document["tessera_study"]?.intValue == Self.version, let entries = document["rows"]?.arrayValue else {
            throw CompressionError.studyUnreadable(file: file, reason: "expected \"tessera_study\": \(Self.version) and \"rows\"")
        }
        let differs = identity.filter { (document[$0.name]?.stringValue ?? Self.none) != $0.value }.map(\.name)
        guard differs.isEmpty else { throw CompressionError.studyMismatch(file: file, differs: differs) }
        let names = objectives.map(\.rawValue)
        for (index, entry) in entries.enumerated() {
            guard let row = StudyRow(json: entry, objectives: names) else {
                throw CompressionError.studyUnreadable(file: file, reason: "row \(index) is incomplete")
            }
            rows.append(row)
        }
    }

    /// - Throws: `ModelFileError.notWritable`.
    func write(_ file: String) throws {
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try AtomicFile.write(try json.serialized(pretty: true) + [UInt8(ascii: "\n")], to: file)
    }

    /// On how many matrices each method's error is below each other's at the same size, under the study's objective.
    public var wins: [(size: String, wins: [(fitter: String, over: [(fitter: String, matrices: Int)])])] {
        let objective = identity.first { $0.name == "objective" }?.value ?? ""
        var sizes: [String] = []
        for row in rows where row.measured != nil && !sizes.contains(row.size) { sizes.append(row.size) }
        return sizes.map { size in
            let here: [(fitter: String, errors: [Double])] = rows.compactMap { row in
                guard row.size == size, let matrices = row.measured?.matrices else { return nil }
                let errors = matrices.compactMap { $0.errors[objective] }
                return errors.count == self.matrices.count ? (row.fitter, errors) : nil
            }
            return (
                size,
                here.map { one in
                    let over = here.filter { $0.fitter != one.fitter }.map { other in
                        (other.fitter, zip(one.errors, other.errors).count { $0 < $1 })
                    }
                    return (one.fitter, over)
                }
            )
        }
    }

    package var json: JSONValue {
        var object = JSONObject()
        object["tessera_study"] = JSONValue(integer: Self.version)
        for (name, value) in identity { object[name] = .string(value) }
        object["dense"] = [
            "sts_spearman_100": .number(dense.similarity.spearman.rounded(digits: 6)),
            "sts_standard_error": .number(dense.similarity.standardError.rounded(digits: 4)),
            "pairs": JSONValue(integer: dense.similarity.pairs), "sentences": JSONValue(integer: dense.fidelity.sentences),
            "neighbours": JSONValue(integer: dense.fidelity.neighbours),
        ]
        object["matrices"] = .array(
            matrices.map { ["name": .string($0.name), "shape": .array($0.shape.map { JSONValue(integer: $0) })] })
        object["rows"] = .array(rows.map(\.json))
        var table = JSONObject()
        for (size, wins) in wins {
            var bySize = JSONObject()
            for (fitter, over) in wins {
                var counts = JSONObject()
                for (other, count) in over { counts[other] = JSONValue(integer: count) }
                bySize[fitter] = .object(counts)
            }
            table[size] = .object(bySize)
        }
        object["matrices_with_less_error_than"] = .object(table)
        return .object(object)
    }
}
