import Foundation
import ModelFiles
import Testing

/// Where models and measured text lie on this machine. What is absent is nil, and its tests are skipped.
enum RealInputs {
    static let packageRoot = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Always there: it is part of the repository.
    static let tinyLlama = packageRoot.appendingPathComponent("Models/tiny-llama").path

    static let miniLM = existing(
        [
            ProcessInfo.processInfo.environment["TESSERA_MINILM"],
            packageRoot.appendingPathComponent(".demo/minilm").path,
        ], holding: "config.json")

    static let shared = existing(
        [
            ProcessInfo.processInfo.environment["TESSERA_DATA"],
            packageRoot.deletingLastPathComponent().appendingPathComponent("shared").path,
        ], holding: "golden/minilm.json")

    static let needsMiniLM: Comment = "needs all-MiniLM-L6-v2 (TESSERA_MINILM or .demo/minilm)"
    static let needsShared: Comment = "needs the measuring data (TESSERA_DATA or ../shared)"

    /// A file of this test target.
    static func resource(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "Resources/\(name)"
        ).path
    }

    static func json(_ path: String) throws -> JSONValue { try JSONValue.read(file: path) }

    private static func existing(_ candidates: [String?], holding file: String) -> String? {
        candidates.compactMap { $0 }.first {
            FileManager.default.fileExists(atPath: URL(fileURLWithPath: $0).appendingPathComponent(file).path)
        }
    }
}

extension JSONValue {
    var numbers: [Double] { (arrayValue ?? []).compactMap(\.doubleValue) }
    var integers: [Int] { (arrayValue ?? []).compactMap(\.intValue) }
}
