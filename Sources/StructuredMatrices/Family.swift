import Tensors

/// What a family is called and where it comes from. Help texts, tables and tests read it from here.
public struct Family: Sendable, Hashable {
    /// As in files, flags and documentation: "low-rank", "monarch".
    public let name: String
    /// One line for help texts.
    public let summary: String
    /// Paper or "textbook".
    public let source: String

    public init(name: String, summary: String, source: String) {
        self.name = name
        self.summary = summary
        self.source = source
    }
}

/// Every family there is, each registered here once.
public enum Families {
    public static let all: [any StructuredMatrix.Type] = [
        Dense.self,
        LowRank.self,
        BlockDiagonal.self,
        BlockShuffle.self,
        BlockDense.self,
        Monarch.self,
        BLAST.self,
        Quantized.self,
        NMSparse.self,
        CompressedSparseRows.self,
        TritPlanes.self,
        KroneckerSum.self,
        Tucker.self,
        HouseholderProduct.self,
        PermutedBlockDiagonal.self,
        BlockCirculant.self,
        Toeplitz.self,
        LDU.self,
        Interpolative.self,
        AsymmetricQuantized.self,
        NormalFloat.self,
        GroupSparse.self,
        MatrixSum.self,
        MatrixProduct.self,
        PermutedMatrix.self,
        ScaledMatrix.self,
        IntervalPatches.self,
        ProductQuantized.self,
        RowBlocks.self,
        SharedRows.self,
    ]

    public static var names: [String] { all.map { $0.family.name } }

    /// - Throws: `StructuredMatrixError.unknownFamily`, naming the matrix that asked.
    public static func type(named name: String, matrix: String) throws -> any StructuredMatrix.Type {
        guard let type = all.first(where: { $0.family.name == name }) else {
            throw StructuredMatrixError.unknownFamily(matrix: matrix, family: name)
        }
        return type
    }
}

/// The integers a family needs beside its shape: ranks, block counts, bits, group sizes; and what the parts of a
/// composed matrix are.
public struct FamilyAttributes: Sendable, Equatable {
    /// The matrix the attributes belong to, for messages.
    public let matrix: String
    public let values: [String: Int]
    /// Empty but for composed matrices.
    public let parts: [MatrixDescription]

    public init(_ values: [String: Int] = [:], parts: [MatrixDescription] = [], matrix: String = "matrix") {
        self.values = values
        self.parts = parts
        self.matrix = matrix
    }

    /// - Throws: `StructuredMatrixError.missingAttribute`, `.invalidAttribute` when outside `range`.
    public func integer(_ name: String, in range: ClosedRange<Int> = 1...Int(Int32.max)) throws -> Int {
        guard let value = values[name] else {
            throw StructuredMatrixError.missingAttribute(matrix: matrix, attribute: name)
        }
        guard range.contains(value) else {
            throw StructuredMatrixError.invalidAttribute(
                matrix: matrix, attribute: name, expected: "\(range.lowerBound) to \(range.upperBound)",
                got: value)
        }
        return value
    }

    /// A number of blocks into which every one of `sizes` can be cut evenly.
    /// - Throws: as `integer`.
    public func divisor(_ name: String, of sizes: Int...) throws -> Int {
        let value = try integer(name)
        guard sizes.allSatisfy({ $0 % value == 0 }) else {
            throw StructuredMatrixError.invalidAttribute(
                matrix: matrix, attribute: name,
                expected: "a divisor of \(sizes.map(String.init).joined(separator: " and "))", got: value)
        }
        return value
    }
}

extension FamilyAttributes {
    /// Refuses sizes from which sizes of tensors could overflow.
    /// - Throws: `StructuredMatrixError.invalidAttribute`.
    func check(_ shape: MatrixShape) throws {
        for (name, size) in [("rows", shape.rows), ("columns", shape.columns)]
        where !(0...Int(Int32.max)).contains(size) {
            throw StructuredMatrixError.invalidAttribute(
                matrix: matrix, attribute: name, expected: "0 to \(Int32.max)", got: size)
        }
    }
}

/// Finds a matrix's tensors in a checkpoint, checking shape and type before any number is read.
public struct TensorLookup: Sendable {
    private let file: String
    private let matrix: String
    private let find: @Sendable (String) throws -> Tensor?

    /// - Parameters:
    ///   - file: the checkpoint, for messages.
    ///   - matrix: the prefix of the tensors' names.
    ///   - find: the tensor of a full name, or nil.
    public init(file: String, matrix: String, find: @escaping @Sendable (String) throws -> Tensor?) {
        self.file = file
        self.matrix = matrix
        self.find = find
    }

    /// The tensors of a matrix that is in memory (a round trip without a file).
    public init(_ tensors: [(name: String, tensor: Tensor)], matrix: String = "matrix") {
        let table = Dictionary(
            tensors.map { ("\(matrix).\($0.name)", $0.tensor) }, uniquingKeysWith: { first, _ in first })
        self.init(file: "memory", matrix: matrix) { table[$0] }
    }

    /// The tensors of part `index` of a composed matrix.
    func part(_ index: Int) -> TensorLookup { TensorLookup(file: file, matrix: "\(matrix).\(index)", find: find) }

    /// A tensor of exactly this shape and type.
    /// - Throws: `StructuredMatrixError.missingTensor`, `.shapeMismatch`, `.elementTypeMismatch`.
    public func tensor(_ name: String, shape: [Int], elementType: ElementType) throws -> Tensor {
        let tensor = try tensor(name, shape: shape)
        guard tensor.elementType == elementType else {
            throw StructuredMatrixError.elementTypeMismatch(
                file: file, tensor: "\(matrix).\(name)", expected: elementType.rawValue,
                got: tensor.elementType.rawValue)
        }
        return tensor
    }

    /// A factor of exactly this shape, in whichever precision it is stored.
    /// - Throws: as `tensor`; the type must be one of `Precision`'s.
    public func factor(_ name: String, shape: [Int]) throws -> Factor {
        let tensor = try tensor(name, shape: shape)
        guard let precision = Precision(elementType: tensor.elementType) else {
            throw StructuredMatrixError.elementTypeMismatch(
                file: file, tensor: "\(matrix).\(name)", expected: "F32, F16 or BF16",
                got: tensor.elementType.rawValue)
        }
        return Factor(stored: tensor, precision: precision)
    }

    /// The error for a tensor whose numbers make no sense.
    func invalid(_ name: String, _ reason: String) -> StructuredMatrixError {
        .invalidContent(file: file, tensor: "\(matrix).\(name)", reason: reason)
    }

    private func tensor(_ name: String, shape: [Int]) throws -> Tensor {
        let fullName = "\(matrix).\(name)"
        guard let tensor = try find(fullName) else {
            throw StructuredMatrixError.missingTensor(file: file, tensor: fullName)
        }
        guard tensor.shape == shape else {
            throw StructuredMatrixError.shapeMismatch(
                file: file, tensor: fullName, expected: shape, got: tensor.shape)
        }
        return tensor
    }
}
