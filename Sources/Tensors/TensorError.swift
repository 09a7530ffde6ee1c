/// What can be wrong with tensor data; every message is one line.
public enum TensorError: Error, Equatable, CustomStringConvertible {
    case fileNotReadable(path: String, reason: String)
    case shapeOverflow(shape: [Int])
    case byteCountMismatch(elementType: ElementType, shape: [Int], expected: Int, got: Int)
    case notFloatingPoint(elementType: ElementType)
    case notAMatrix(shape: [Int])

    public var description: String {
        switch self {
        case .fileNotReadable(let path, let reason):
            "\(pathForMessage(path)): cannot be read: \(reason)"
        case .shapeOverflow(let shape):
            "shape \(shape) has more elements than can be addressed"
        case .byteCountMismatch(let elementType, let shape, let expected, let got):
            "a \(elementType.rawValue) tensor of shape \(shape) takes \(expected) bytes, got \(got)"
        case .notFloatingPoint(let elementType):
            "expected a floating-point tensor, got \(elementType.rawValue)"
        case .notAMatrix(let shape):
            "expected a matrix (two dimensions), got shape \(shape)"
        }
    }
}
