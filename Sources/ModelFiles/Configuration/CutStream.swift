/// The residual stream of a transformer where it is narrower than the rest of `config.json` implies, by another number of
/// features at every place where something reads it.
public struct CutStream: Sendable, Hashable {
    /// Features before each block's attention and before its feed-forward part, block after block, and behind the last block:
    /// twice the blocks and one.
    public var widths: [Int]
    /// Whether a matrix stands between the table of words, which then is as wide as the model's own key says, and the stream.
    public var projectsInput: Bool
    /// Whether one stands between the end of the stream and the output head, or (without a head) makes the output.
    public var projectsOutput: Bool

    public init(widths: [Int], projectsInput: Bool = false, projectsOutput: Bool = false) {
        self.widths = widths
        self.projectsInput = projectsInput
        self.projectsOutput = projectsOutput
    }
}

/// `"stream"` in the `tessera` section.
extension ModelConfiguration {
    private static let streamKey = "stream"

    /// Nil where the stream is whole.
    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`.
    public func cutStream() throws(ModelFileError) -> CutStream? {
        guard let tessera = try section(Self.sectionKey), let stream = try tessera.section(Self.streamKey) else { return nil }
        guard let widths = stream.value("widths") else {
            throw .missingKey(file: file, key: stream.keyPrefix + "widths")
        }
        guard widths.arrayValue != nil else { throw stream.wrong("widths", "a list", widths) }
        return CutStream(
            widths: try stream.integers("widths", in: 1...Int(Int32.max)),
            projectsInput: try stream.bool("projects_input", default: false),
            projectsOutput: try stream.bool("projects_output", default: false))
    }

    /// Writes the stream's form; nil removes it.
    public mutating func setCutStream(_ stream: CutStream?) {
        setTesseraMember(Self.streamKey, to: stream.map(\.json))
    }
}

extension CutStream {
    /// As the section has it.
    public var json: JSONValue {
        var object = JSONObject()
        object["widths"] = .array(widths.map { .integer(Int64($0)) })
        if projectsInput { object["projects_input"] = .bool(true) }
        if projectsOutput { object["projects_output"] = .bool(true) }
        return .object(object)
    }
}
