import Tensors

/// What can be wrong with a structured matrix or the tensors it is read from; every message is one line.
public enum StructuredMatrixError: Error, Equatable, CustomStringConvertible {
    case unknownFamily(matrix: String, family: String)
    case missingTensor(file: String, tensor: String)
    case shapeMismatch(file: String, tensor: String, expected: [Int], got: [Int])
    case elementTypeMismatch(file: String, tensor: String, expected: String, got: String)
    case invalidContent(file: String, tensor: String, reason: String)
    case missingAttribute(matrix: String, attribute: String)
    case invalidAttribute(matrix: String, attribute: String, expected: String, got: Int)
    case invalidParts(matrix: String, family: String, shape: MatrixShape, reason: String)
    case inputMismatch(shape: MatrixShape, expectedColumns: Int, gotColumns: Int)
    case outputMismatch(shape: MatrixShape, expected: MatrixShape, got: MatrixShape)
    case invalidSize(family: String, shape: MatrixShape, reason: String)

    public var description: String {
        switch self {
        case .unknownFamily(let matrix, let family):
            "\(matrix): unknown family \(quotedForMessage(family)), expected one of \(Families.names.joined(separator: ", "))"
        case .missingTensor(let file, let tensor):
            "\(pathForMessage(file)): tensor \(quotedForMessage(tensor)) is missing"
        case .shapeMismatch(let file, let tensor, let expected, let got):
            "\(pathForMessage(file)): tensor \(quotedForMessage(tensor)): expected shape \(expected), got \(got)"
        case .elementTypeMismatch(let file, let tensor, let expected, let got):
            "\(pathForMessage(file)): tensor \(quotedForMessage(tensor)): expected element type \(expected), got \(got)"
        case .invalidContent(let file, let tensor, let reason):
            "\(pathForMessage(file)): tensor \(quotedForMessage(tensor)): \(reason)"
        case .missingAttribute(let matrix, let attribute):
            "\(matrix): attribute '\(attribute)' is missing"
        case .invalidAttribute(let matrix, let attribute, let expected, let got):
            "\(matrix): attribute '\(attribute)': expected \(expected), got \(got)"
        case .invalidParts(let matrix, let family, let shape, let reason):
            "\(matrix): parts of a \(shape) \(family): \(reason)"
        case .inputMismatch(let shape, let expected, let got):
            "a \(shape) matrix takes inputs of \(expected) features, got \(got)"
        case .outputMismatch(let shape, let expected, let got):
            "a \(shape) matrix writes a \(expected) output here, got \(got)"
        case .invalidSize(let family, let shape, let reason):
            "\(family) cannot represent a \(shape) matrix: \(reason)"
        }
    }
}
