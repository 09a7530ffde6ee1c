import LinearAlgebra
import Tensors

/// Products with matrices that are constant along their diagonals, through the Fourier transform: inputs are transformed
/// block by block, multiplied with the blocks' spectra, added up and transformed back. O(n log n) where the direct product is
/// O(n^2), and worth it from a few hundred inputs on.
struct PreparedConvolution: PreparedProduct {
    let shape: MatrixShape
    private let transform: RealFourierTransform
    /// Blocks of inputs and of outputs, and how long they are.
    private let (inputs, outputs): (Int, Int)
    private let (inputLength, outputLength): (Int, Int)
    /// Where in the convolution a block's outputs begin.
    private let first: Int
    /// outputs x inputs spectra, divided by the transform's size.
    private let spectra: [Float]

    /// Lengths below this are multiplied directly. Measured on a Zen 5 core with blocks of 512, 1024 and 2048: a single row takes
    /// 4, 17 and 35 us against 30, 97 and 369 direct; 64 rows 0.52, 0.85 and 1.65 ms against 0.21, 1.7 and 2.8.
    static let shortestTransform = 512

    /// One circulant block after another; nil where blocks are shorter than `shortest`, and without a library.
    init?(_ matrix: BlockCirculant, shortest: Int = Self.shortestTransform) {
        let block = matrix.block
        guard block >= shortest, let transform = RealFourierTransform.of(size: block) else { return nil }
        self.init(
            shape: matrix.shape, transform: transform, blocks: matrix.cycles.values, inputLength: block, outputLength: block,
            first: 0)
    }

    /// Embedded in a circulant matrix of at least rows + columns - 1.
    init?(_ matrix: Toeplitz, shortest: Int = Self.shortestTransform) {
        let count = matrix.diagonals.count
        guard min(matrix.shape.rows, matrix.shape.columns) > 0, count >= shortest,
            let transform = RealFourierTransform.of(size: Self.smooth(count))
        else { return nil }
        let padding = [Float](repeating: 0, count: transform.size - count)
        self.init(
            shape: matrix.shape, transform: transform, blocks: matrix.diagonals.values + padding,
            inputLength: matrix.shape.columns, outputLength: matrix.shape.rows, first: matrix.shape.columns - 1)
    }

    private init(
        shape: MatrixShape, transform: RealFourierTransform, blocks: [Float], inputLength: Int, outputLength: Int, first: Int
    ) {
        (self.shape, self.transform) = (shape, transform)
        (inputs, outputs) = (shape.columns / inputLength, shape.rows / outputLength)
        (self.inputLength, self.outputLength, self.first) = (inputLength, outputLength, first)
        let (size, length) = (transform.size, transform.spectrumCount)
        let scale = 1 / Float(size)
        var scaled = blocks.map { $0 * scale }
        var spectra = [Float](repeating: 0, count: blocks.count / size * length)
        scaled.withUnsafeMutableBufferPointer { blocks in
            spectra.withUnsafeMutableBufferPointer { spectra in
                guard let source = blocks.baseAddress, let target = spectra.baseAddress else { return }
                for block in 0..<blocks.count / size {
                    transform.forward(source + block * size, into: target + block * length)
                }
            }
        }
        self.spectra = spectra
    }

    /// The smallest size from `size` on that has no prime factor above 5.
    static func smooth(_ size: Int) -> Int {
        var candidate = max(1, size)
        while true {
            var rest = candidate
            for factor in [2, 3, 5] { while rest % factor == 0 { rest /= factor } }
            if rest == 1 { return candidate }
            candidate += 1
        }
    }

    var byteCount: Int { spectra.count * MemoryLayout<Float>.stride }
    func scratchFloats(batch: Int) -> Int { 0 }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let length = transform.spectrumCount
        // The inputs' spectra, a sum of spectra, and the numbers before and after.
        withScratch(rows: inputs + 2, columns: length) { work in
            let (sum, numbers) = (work.row(inputs), work.row(inputs + 1))
            for row in worker.share(of: input.rows) {
                let (x, y) = (input.row(row), output.row(row))
                for block in 0..<inputs {
                    numbers.update(from: x + block * inputLength, count: inputLength)
                    for place in inputLength..<max(inputLength, transform.size) { numbers[place] = 0 }
                    transform.forward(numbers, into: work.row(block))
                }
                for block in 0..<outputs {
                    for place in 0..<length { sum[place] = 0 }
                    spectra.withUnsafeBufferPointer { spectra in
                        guard let base = spectra.baseAddress else { return }
                        for source in 0..<inputs {
                            Self.accumulate(
                                base + (block * inputs + source) * length, work.row(source), into: sum, count: length / 2)
                        }
                    }
                    transform.inverse(sum, into: numbers)
                    (y + block * outputLength).update(from: numbers + first, count: outputLength)
                }
            }
        }
    }

    /// sum += first * second, complex number by complex number.
    private static func accumulate(
        _ first: UnsafePointer<Float>, _ second: UnsafeMutablePointer<Float>, into sum: UnsafeMutablePointer<Float>, count: Int
    ) {
        for index in 0..<count {
            let (a, b) = (first[2 * index], first[2 * index + 1])
            let (c, d) = (second[2 * index], second[2 * index + 1])
            sum[2 * index] += a * c - b * d
            sum[2 * index + 1] += a * d + b * c
        }
    }
}
