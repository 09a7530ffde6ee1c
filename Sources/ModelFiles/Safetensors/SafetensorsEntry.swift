import Tensors

/// What a safetensors header says of one tensor.
public struct SafetensorsEntry: Sendable, Equatable {
    public let name: String
    public let elementType: ElementType
    public let shape: [Int]
    /// Where its bytes lie, counted from the start of the data (which begins after the header).
    public let dataOffsets: Range<Int>

    public var byteCount: Int { dataOffsets.count }

    /// A shape for a one-line message, "[384, 1536]"; cut after eight dimensions.
    static func describe(_ shape: [Int]) -> String {
        let listed = shape.prefix(8).map(String.init).joined(separator: ", ")
        return "[" + listed + (shape.count > 8 ? ", … \(shape.count) dimensions]" : "]")
    }
}
