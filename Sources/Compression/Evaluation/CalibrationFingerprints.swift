import ModelFiles
import Transformers

/// Which text a compression has seen, in few bytes: hashes of its pieces, so that a text to measure on can be compared with
/// it without the text itself.
///
/// Pieces are whole sentences of an encoder, and for causal models all runs of 16 tokens within a window. Where there are
/// many, only those whose hash is a multiple of `oneIn` are kept, a fixed sample of both texts. Two different pieces share a
/// hash of 64 bits by chance about never.
public struct CalibrationFingerprints: Sendable, Equatable {
    public enum Piece: String, Sendable {
        case sentences
        case runsOfTokens = "runs of 16 tokens"
    }

    public let piece: Piece
    /// One hash in so many was kept, a power of two.
    public let oneIn: Int
    public let hashes: Set<UInt64>

    static let runLength = 16
    private static let most = 4096
    /// Shorter sentences ("Thank you.") are anyone's; with the tokens around a sentence.
    private static let shortestSentence = 6
    /// More than this share of a text must be known for it to count as the calibration's: phrases of a language occur twice.
    static let tolerance = 0.01

    /// What two texts have in common.
    public struct Overlap: Sendable, Equatable {
        public let shared: Int
        /// Pieces of the text that were looked up.
        public let total: Int
        public let piece: Piece

        public init(shared: Int, total: Int, piece: Piece) {
            (self.shared, self.total, self.piece) = (shared, total, piece)
        }

        /// Whether measuring on the text would flatter the model.
        public var isTooLarge: Bool { Double(shared) > tolerance * Double(total) }

        public var text: String {
            let pieces = piece == .sentences ? "sentences" : "runs of \(runLength) tokens that were looked up"
            return "\(FigureText.grouped(shared)) of \(FigureText.grouped(total)) \(pieces) occur in the calibration text"
        }
    }

    /// - Parameter sequences: sentences of an encoder, windows or whole texts of a causal model.
    public init(_ sequences: [[Int]], isEncoder: Bool) {
        piece = isEncoder ? .sentences : .runsOfTokens
        let all = Set(Self.hashes(sequences, piece))
        var oneIn = 1
        var kept = all
        while kept.count > Self.most {
            oneIn *= 2
            let divisor = UInt64(oneIn)
            kept = kept.filter { $0 % divisor == 0 }
        }
        self.oneIn = oneIn
        hashes = kept
    }

    /// How much of a text, in tokens, is among what was seen.
    public func overlap(with sequences: [[Int]]) -> Overlap {
        let divisor = UInt64(oneIn)
        let looked = Self.hashes(sequences, piece).filter { $0 % divisor == 0 }
        return Overlap(shared: looked.count { hashes.contains($0) }, total: looked.count, piece: piece)
    }

    private static func hashes(_ sequences: [[Int]], _ piece: Piece) -> [UInt64] {
        switch piece {
        case .sentences:
            sequences.filter { $0.count >= shortestSentence }.map { hash($0[...]) }
        case .runsOfTokens:
            sequences.flatMap { sequence in
                stride(from: 0, through: sequence.count - runLength, by: 1).map { hash(sequence[$0..<$0 + runLength]) }
            }
        }
    }

    /// FNV-1a over the tokens, then mixed so that its low bits make a fair sample.
    private static func hash(_ tokens: ArraySlice<Int>) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for token in tokens { hash = (hash ^ UInt64(truncatingIfNeeded: token)) &* 0x100_0000_01B3 }
        hash = (hash ^ (hash >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        return hash ^ (hash >> 29)
    }

    // MARK: - In reports

    static let key = "calibration_fingerprints"

    var json: JSONValue {
        let digits = hashes.sorted().map { hash in
            let text = String(hash, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        return [
            "pieces": .string(piece.rawValue), "one_in": JSONValue(integer: oneIn), "hashes": .string(digits.joined()),
        ]
    }

    init?(json: JSONValue?) {
        guard let json, let piece = json["pieces"]?.stringValue.flatMap({ Piece(rawValue: $0) }),
            let oneIn = json["one_in"]?.intValue, oneIn >= 1, oneIn <= 1 << 32, oneIn.nonzeroBitCount == 1,
            let digits = json["hashes"]?.stringValue.map({ Array($0.utf8) }), digits.count % 16 == 0
        else { return nil }
        var hashes: Set<UInt64> = []
        for start in stride(from: 0, to: digits.count, by: 16) {
            guard let hash = UInt64(String(decoding: digits[start..<start + 16], as: UTF8.self), radix: 16) else {
                return nil
            }
            hashes.insert(hash)
        }
        (self.piece, self.oneIn, self.hashes) = (piece, oneIn, hashes)
    }

    /// What a compressed folder's report says of its calibration; nil for folders without one, and for reports from before
    /// there were fingerprints.
    public static func read(folder: ModelFolder) -> CalibrationFingerprints? {
        guard let report = try? JSONValue.read(file: folder.file("report.json")) else { return nil }
        return CalibrationFingerprints(json: report[key])
    }
}

extension CalibrationText {
    /// Of everything that was looked at, to fit and to judge.
    func fingerprints(for model: any TransformerModel) -> CalibrationFingerprints {
        CalibrationFingerprints(calibration + heldOut, isEncoder: model is any EncoderModel)
    }
}
