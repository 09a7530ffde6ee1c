import Compression
import Fitting
import Foundation
import Tensors
import Testing
import Transformers

/// The 36 encoder matrices of all-MiniLM-L6-v2 and the second moments of their inputs over 512 calibration sentences.
///
/// Wants the model's folder in `TESSERA_MINILM` and the measuring data in `TESSERA_DATA`.
struct EncoderMatrices: Sendable {
    struct Entry: Sendable {
        let name: String
        let weight: Matrix
        let gram: Gram
        var objective: Objective { .activations(gram) }
    }

    let entries: [Entry]

    private static func existing(_ variable: String, _ file: String) -> String? {
        ProcessInfo.processInfo.environment[variable].flatMap {
            FileManager.default.fileExists(atPath: $0 + file) ? $0 : nil
        }
    }
    static let model = existing("TESSERA_MINILM", "/config.json")
    static let text = existing("TESSERA_DATA", "/data/stsb/calibration.txt").map { $0 + "/data/stsb/calibration.txt" }
    static let isHere = model != nil && text != nil
    static let isMissing: Comment = "set TESSERA_MINILM (a folder with all-MiniLM-L6-v2) and TESSERA_DATA (measuring data)"

    init(context: ExecutionContext) throws {
        let loaded = try LoadedModel.load(Self.model ?? "")
        let lines = try String(contentsOfFile: Self.text ?? "", encoding: .utf8).split(whereSeparator: \.isNewline)
        let sites = loaded.model.sites.filter { $0.role == .linear }
        let moments = try Calibration.collect(
            loaded.model, sites: sites, sequences: lines.prefix(512).map { loaded.tokens(String($0)) },
            context: context
        ).moments
        let grams = try moments.mapValues { try Gram($0) }
        entries = sites.compactMap { site in
            guard site.name.contains("encoder"), let gram = site.input.flatMap({ grams[$0] }) else { return nil }
            return Entry(name: site.name, weight: loaded.model[site: site.name].dense(), gram: gram)
        }
    }
}
