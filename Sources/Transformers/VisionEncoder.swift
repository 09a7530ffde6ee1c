import ModelFiles
import StructuredMatrices
import Tensors

/// An encoder of images, which are handed over before they are embedded: the tokens of an image are its patches.
public protocol ImageModel: EncoderModel {
    /// Channels, height and width of an image.
    var imageShape: [Int] { get }

    /// Takes images over, in place of those it had.
    /// - Parameter images: one in each row: channels x height x width numbers, as the model's preprocessing leaves them.
    /// - Returns: the sequence of each image, for `embed` and `observe`.
    /// - Throws: `TransformersError.wrongImages`.
    mutating func take(images: Matrix) throws -> [[Int]]
}

/// A vision transformer (Dosovitskiy et al. 2021): patches of an image, flattened and multiplied by the patch embedding,
/// behind a class token whose last vector is the image's.
///
/// Token 0 stands for the class token, token 1 + i for patch i of the images taken over, which are the rows of what is
/// elsewhere the table of words.
public struct VisionEncoder: ImageModel, NetworkModel {
    public var network: Network
    let geometry: Geometry

    struct Geometry: Sendable {
        let channels, height, width: Int
        let patchHeight, patchWidth: Int

        var patchesDown: Int { height / patchHeight }
        var patchesAcross: Int { width / patchWidth }
        var patches: Int { patchesDown * patchesAcross }
        /// Numbers of a patch.
        var patchSize: Int { channels * patchHeight * patchWidth }
    }

    init(network: Network, geometry: Geometry) {
        self.network = network
        self.geometry = geometry
    }

    public var dimension: Int { network.width }
    public var vocabularySize: Int { network[.words].weight.shape.rows }
    public var imageShape: [Int] { [geometry.channels, geometry.height, geometry.width] }

    public mutating func take(images: Matrix) throws -> [[Int]] {
        let expected = imageShape.reduce(1, *)
        guard images.columns == expected, images.rows > 0 else {
            throw TransformersError.wrongImages(
                expected: imageShape, got: "\(images.rows) of \(images.columns) numbers")
        }
        let geometry = geometry
        let patches = Matrix(rows: 1 + images.rows * geometry.patches, columns: geometry.patchSize) { row, column in
            row == 0 ? 0 : geometry.pixel(of: images, patch: row - 1, column)
        }
        network[.words] = Linear(weight: Dense(patches))
        return (0..<images.rows).map { image in
            [0] + Array(1 + image * geometry.patches..<1 + (image + 1) * geometry.patches)
        }
    }

    public func embed(_ sequences: [[Int]], context: ExecutionContext) throws -> Matrix {
        try check(sequences)
        let layout = SentenceEmbeddingLayout(pooling: .cls, normalizes: false, maximumSequenceLength: nil)
        return network.encode(sequences, layout, context: context)
    }

    public func observe(_ sequences: [[Int]], context: ExecutionContext, observer: ActivationObserver) throws {
        try check(sequences)
        network.observeEncoding(sequences, context: context, observer: observer)
    }
}

extension VisionEncoder.Geometry {
    /// Number `index` of a patch, in the order of the patch embedding's inputs: channel, row, column.
    fileprivate func pixel(of images: Matrix, patch: Int, _ index: Int) -> Float {
        let (image, place) = patch.quotientAndRemainder(dividingBy: patches)
        let (down, across) = place.quotientAndRemainder(dividingBy: patchesAcross)
        let (channel, inside) = index.quotientAndRemainder(dividingBy: patchHeight * patchWidth)
        let (row, column) = inside.quotientAndRemainder(dividingBy: patchWidth)
        let y = down * patchHeight + row
        let x = across * patchWidth + column
        return images[image, (channel * height + y) * width + x]
    }
}
