import ModelFiles

/// The numbers of a network that are no matrices: biases, norms, constants.
extension Network {
    /// Where a norm stands.
    private enum NormPlace {
        case input, output
        case attention(Int), feedForward(Int), query(Int), key(Int)
    }

    private enum VectorPlace {
        case bias(Place)
        case norm(NormPlace, isBias: Bool)
        case constant, first
        case keyDirections(Int), keyOffset(Int)
    }

    private subscript(norm place: NormPlace) -> Norm? {
        get {
            switch place {
            case .input: input.norm
            case .output: output.norm
            case .attention(let index): blocks[index].attentionNorm
            case .feedForward(let index): blocks[index].feedForwardNorm
            case .query(let index): blocks[index].queryNorm
            case .key(let index): blocks[index].keyNorm
            }
        }
        set {
            switch place {
            case .input: input.norm = newValue
            case .output: output.norm = newValue
            case .attention(let index): blocks[index].attentionNorm = newValue ?? .none
            case .feedForward(let index): blocks[index].feedForwardNorm = newValue ?? .none
            case .query(let index): blocks[index].queryNorm = newValue
            case .key(let index): blocks[index].keyNorm = newValue
            }
        }
    }

    /// Every vector there may be, by name; biases that are not there included.
    private var vectorPlaces: [(name: String, place: VectorPlace)] {
        var result: [(name: String, place: VectorPlace)] = []
        func add(_ norm: NormPlace, _ name: String?) {
            guard let name, let vectors = self[norm: norm], !vectors.weight.isEmpty else { return }
            result.append(("\(name).weight", .norm(norm, isBias: false)))
            if vectors.kind == .layer { result.append(("\(name).bias", .norm(norm, isBias: true))) }
        }
        func addBias(_ place: Place, _ name: String?) {
            if let name { result.append(("\(name).bias", .bias(place))) }
        }
        addBias(.inputProjection, input.projection)
        if let name = input.constantName { result.append((name, .constant)) }
        if let name = input.firstName { result.append((name, .first)) }
        add(.input, input.normName)
        for (index, block) in blocks.enumerated() {
            add(.attention(index), block.names.attentionNorm)
            add(.query(index), block.names.queryNorm)
            add(.key(index), block.names.keyNorm)
            if block.keyBasis != nil {
                result.append((block.names.keyDirections, .keyDirections(index)))
                result.append((block.names.keyOffset, .keyOffset(index)))
            }
            add(.feedForward(index), block.names.feedForwardNorm)
            // What a part that is gone adds to the stream stays.
            for matrix in BlockMatrix.allCases
            where !matrix.isSkip && (block.matrices.contains(matrix) || matrix == .attentionOutput || matrix == .down) {
                addBias(.block(index, matrix), block.names.name(of: matrix))
            }
        }
        addBias(.outputProjection, output.projection)
        add(.output, output.normName)
        addBias(.head, output.head)
        return result
    }

    /// Names of the vectors that are there.
    var vectorNames: [String] { vectorPlaces.filter { self[$0.place] != nil }.map(\.name) }

    private subscript(place: VectorPlace) -> [Float]? {
        get {
            switch place {
            case .bias(let place): self[place].bias
            case .norm(let norm, let isBias): self[norm: norm].map { isBias ? $0.bias : $0.weight }
            case .constant: input.constant
            case .first: input.first
            case .keyDirections(let index): blocks[index].keyBasis?.directions
            case .keyOffset(let index): blocks[index].keyBasis?.offset
            }
        }
        set {
            switch place {
            case .bias(let place): self[place].bias = newValue
            case .norm(let norm, let isBias):
                guard var vectors = self[norm: norm], let newValue else { return }
                if isBias { vectors.bias = newValue } else { vectors.weight = newValue }
                self[norm: norm] = vectors
            case .constant: input.constant = newValue ?? []
            case .first: input.first = newValue ?? []
            case .keyDirections(let index): blocks[index].keyBasis?.directions = newValue ?? []
            case .keyOffset(let index): blocks[index].keyBasis?.offset = newValue ?? []
            }
        }
    }

    subscript(vector name: String) -> [Float]? {
        get { vectorPlaces.first { $0.name == name }.flatMap { self[$0.place] } }
        set {
            guard let place = vectorPlaces.first(where: { $0.name == name })?.place else {
                preconditionFailure("no vector '\(name)' in this model")
            }
            self[place] = newValue
        }
    }
}

extension Network {
    fileprivate mutating func dropMeans() {
        func dropped(_ norm: Norm) -> Norm {
            Norm(
                kind: .rootMeanSquare, weight: norm.weight, bias: [], epsilon: norm.epsilon,
                features: norm.kind == .rootMeanSquare ? norm.features : nil)
        }
        input.norm = input.norm.map(dropped)
        output.norm = output.norm.map(dropped)
        for index in blocks.indices {
            blocks[index].attentionNorm = dropped(blocks[index].attentionNorm)
            blocks[index].feedForwardNorm = dropped(blocks[index].feedForwardNorm)
        }
    }
}

extension NetworkModel {
    /// Names of the biases, norms and constants there are.
    public var vectorNames: [String] { network.vectorNames }

    /// A bias ("<site>.bias"), a norm's weight or bias, or a constant of the stream: what `coupling` names. Nil for a bias that
    /// is not there; setting it adds one. Setting trusts the count.
    /// - Precondition: when setting, the name is one of `vectorNames`, or a bias of one of `sites`.
    public subscript(vector name: String) -> [Float]? {
        get { network[vector: name] }
        set { network[vector: name] = newValue }
    }

    /// The sizes of each block. Setting trusts that the matrices and vectors are set to match before the model runs.
    public var blockSizes: [BlockSizes] {
        get { network.blocks.map(\.sizes) }
        set {
            for (index, sizes) in newValue.enumerated() { network.blocks[index].sizes = sizes }
        }
    }

    /// Makes the norms of the stream root-mean-square ones that keep their weights: what they compute stays the same where
    /// what they read has mean 0 in every token and their biases are 0.
    public mutating func dropMeans() { network.dropMeans() }
}
