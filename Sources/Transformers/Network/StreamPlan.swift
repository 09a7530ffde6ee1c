import ModelFiles

/// How many features the residual stream has at each place where something reads it: before every attention, before every
/// feed-forward part, and behind the last block.
struct StreamPlan: Sendable, Hashable {
    /// Of the stream as the architecture has it, over which norms take means of squares, cut or not.
    let features: Int
    /// Whether what is cut away makes skip matrices carry the stream past every part.
    let isCut: Bool
    /// Twice the blocks and one.
    let widths: [Int]
    /// Whether matrices stand between the table of words and the stream, and between the stream and what follows it.
    let projectsInput: Bool
    let projectsOutput: Bool

    /// Names of these matrices.
    static let inputProjection = "stream_input"
    static let outputProjection = "stream_output"

    var first: Int { widths.first ?? features }
    var last: Int { widths.last ?? features }
    /// Columns of the table of words, and of the output head.
    var table: Int { projectsInput ? features : first }
    var head: Int { projectsOutput ? features : last }

    func block(_ index: Int) -> BlockStream {
        BlockStream(
            features: features, attention: widths[2 * index], feedForward: widths[2 * index + 1],
            output: widths[2 * index + 2])
    }
}

/// Features of the residual stream where a block's attention reads it, where its feed-forward part does, and behind both.
public struct BlockStream: Sendable, Hashable {
    /// Of the uncut stream.
    let features: Int
    public var attention: Int
    public var feedForward: Int
    public var output: Int
}

extension ModelConfiguration {
    /// - Parameters:
    ///   - width: of the stream as the model's own key has it.
    ///   - hasInputProjection, hasOutputProjection: whether the architecture has matrices of its own at the ends.
    /// - Throws: `TransformersError.unsupportedSetting`; `ModelFileError.missingKey`, `.wrongValue`.
    func streamPlan(
        width: Int, blocks: Int, hasInputProjection: Bool = false, hasOutputProjection: Bool = false
    ) throws -> StreamPlan {
        guard let cut = try cutStream() else {
            return StreamPlan(
                features: width, isCut: false, widths: Array(repeating: width, count: 2 * blocks + 1), projectsInput: false,
                projectsOutput: false)
        }
        func refuse(_ key: String, _ got: String, _ supported: String) -> TransformersError {
            .unsupportedSetting(file: file, key: "tessera.stream.\(key)", got: got, supported: supported)
        }
        guard cut.widths.count == 2 * blocks + 1 else {
            throw refuse(
                "widths", "a list of \(cut.widths.count)", "\(2 * blocks + 1) numbers, two for each block and one behind the last")
        }
        if let wide = cut.widths.first(where: { $0 > width }) {
            throw refuse("widths", "\(wide)", "at most the \(width) features of the uncut stream")
        }
        for (key, isThere, isAdded) in [
            ("projects_input", hasInputProjection, cut.projectsInput),
            ("projects_output", hasOutputProjection, cut.projectsOutput),
        ] where isThere && isAdded {
            throw refuse(key, "true", "false, as the architecture has a matrix there already")
        }
        return StreamPlan(
            features: width, isCut: true, widths: cut.widths, projectsInput: cut.projectsInput,
            projectsOutput: cut.projectsOutput)
    }
}
