import ModelFiles
import StructuredMatrices
import Tensors

/// The residual stream at the places where something reads it: place 2 i is before block i's attention, 2 i + 1 before its
/// feed-forward part, the last one behind all blocks. What leads from one place to the next is a skip matrix; where there is
/// none the stream goes as it is.
extension NetworkModel {
    /// Features of the uncut stream, which means of squares are over.
    public var streamFeatures: Int { network.width }

    /// Features at every place. Setting trusts that matrices and vectors are set to match before the model runs.
    public var streamWidths: [Int] {
        get { network.streamWidths }
        set {
            for index in network.blocks.indices {
                network.blocks[index].stream = BlockStream(
                    features: network.width, attention: newValue[2 * index], feedForward: newValue[2 * index + 1],
                    output: newValue[2 * index + 2])
            }
        }
    }

    /// Whether skip matrices carry the stream past parts.
    public var isStreamCut: Bool { network.isStreamCut }

    /// The block and the skip matrix that lead on from a place.
    /// - Precondition: not the last place.
    public func skipPlace(_ place: Int) -> (block: Int, matrix: BlockMatrix) {
        (place / 2, place % 2 == 0 ? .attentionSkip : .feedForwardSkip)
    }

    /// What leads on from a place, features of the next x its own; nil where the stream goes as it is. Setting trusts the
    /// shape.
    public subscript(skip place: Int) -> (any StructuredMatrix)? {
        get {
            let (block, matrix) = skipPlace(place)
            let weight = network.blocks[block][matrix].weight
            return weight.shape.rows > 0 ? weight : nil
        }
        set {
            let (block, matrix) = skipPlace(place)
            network.blocks[block][matrix] = newValue.map { Linear(weight: $0) } ?? .none
        }
    }

    /// Gives the output head a weight of its own, the table of words, where that is the head too.
    public mutating func untieHead() {
        guard network.output.isTied else { return }
        network.output.isTied = false
        network.output.head = Network.headName
        network[.head] = Linear(weight: network[.words].weight)
    }

    /// Whether the table of words is the output head too.
    public var isHeadTied: Bool { network.output.isTied }

    /// Puts a matrix between the table of words and the stream, or between the end of the stream and what follows, where there
    /// is none. Its name; setting trusts the shape.
    public mutating func addInputProjection(_ weight: any StructuredMatrix) -> String {
        network.input.projection = StreamPlan.inputProjection
        network[.inputProjection] = Linear(weight: weight)
        return StreamPlan.inputProjection
    }

    public mutating func addOutputProjection(_ weight: any StructuredMatrix, bias: [Float]?) -> String {
        network.output.projection = StreamPlan.outputProjection
        network[.outputProjection] = Linear(weight: weight, bias: bias)
        return StreamPlan.outputProjection
    }

    /// What `config.json` has to say of the stream; nil where it is as the architecture has it.
    public var cutStream: CutStream? {
        guard isStreamCut else { return nil }
        return CutStream(
            widths: streamWidths, projectsInput: network.input.projection == StreamPlan.inputProjection,
            projectsOutput: network.output.projection == StreamPlan.outputProjection)
    }

    /// The name of what is read at the end of the stream (`MatrixSite.input`); nil where its states are the model's output.
    public var endInputName: String? {
        network.output.projection.map { "\($0) input" } ?? (network.headPlace == nil ? nil : Network.headInput)
    }
}
