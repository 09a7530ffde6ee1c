import ModelFiles
import Tensors

/// What can be wrong with a model folder's meaning or with what a model is asked; every message is one line.
public enum TransformersError: Error, Equatable, CustomStringConvertible {
    case unknownArchitecture(file: String, got: String, known: [String])
    case unsupportedSetting(file: String, key: String, got: String, supported: String)
    case shapeMismatch(file: String, matrix: String, expected: String, got: String)
    case unknownMatrix(file: String, matrix: String)
    case tokenOutOfRange(token: Int, vocabulary: Int)
    case sequenceTooLong(count: Int, maximum: Int)
    case emptySequence
    case wrongKind(folder: String, expected: String, got: String)
    /// An ordinary folder of the architecture cannot say what the model is.
    case notExpressible(folder: String, architecture: String, reason: String)
    case wrongImages(expected: [Int], got: String)
    case invalidOption(name: String, expected: String, got: String)

    public var description: String {
        switch self {
        case .unknownArchitecture(let file, let got, let known):
            "\(pathForMessage(file)): model_type \(quotedForMessage(got)) is not known, expected one of \(known.joined(separator: ", "))"
        case .unsupportedSetting(let file, let key, let got, let supported):
            "\(pathForMessage(file)): '\(key)' is \(got), supported: \(supported)"
        case .shapeMismatch(let file, let matrix, let expected, let got):
            "\(pathForMessage(file)): matrix \(quotedForMessage(matrix)): expected shape \(expected), got \(got)"
        case .unknownMatrix(let file, let matrix):
            "\(pathForMessage(file)): the model has no matrix \(quotedForMessage(matrix))"
        case .tokenOutOfRange(let token, let vocabulary):
            "token \(token) is outside the vocabulary of \(vocabulary)"
        case .sequenceTooLong(let count, let maximum):
            "a sequence of \(count) tokens is longer than the model's \(maximum) positions"
        case .emptySequence:
            "a sequence needs at least one token"
        case .wrongKind(let folder, let expected, let got):
            "\(pathForMessage(folder)): expected \(expected), got \(got)"
        case .notExpressible(let folder, let architecture, let reason):
            "\(pathForMessage(folder)): cannot be an ordinary folder of the architecture '\(architecture)': \(reason)"
        case .wrongImages(let expected, let got):
            "images: expected some of \(expected.map(String.init).joined(separator: " x ")), got \(got)"
        case .invalidOption(let name, let expected, let got):
            "\(name): expected \(expected), got \(got)"
        }
    }
}
