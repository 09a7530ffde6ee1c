import ModelFiles

extension Block {
    /// Whether neither part is left; biases of their outputs may be.
    fileprivate var isEmpty: Bool { sizes.heads == 0 && sizes.feedForwardWidth == 0 }

    fileprivate var addsBias: Bool {
        [attentionOutput, down].contains { linear in linear.bias.map { $0.contains { $0 != 0 } } ?? false }
    }
}

/// Blocks past which the residual stream goes as it is: the model computes the same without them.
extension LoadedModel {
    /// Their places. There are none where norms stand behind the sums, or where skip matrices carry the stream.
    public var idleBlocks: [Int] {
        guard let network = (model as? any NetworkModel)?.network, network.normalizesFirst, !network.isStreamCut else {
            return []
        }
        return network.blocks.indices.filter { network.blocks[$0].isEmpty && !network.blocks[$0].addsBias }
    }

    /// The blocks that an ordinary folder has.
    /// - Throws: `TransformersError.notExpressible` where a block has no part but changes the stream, or none is left.
    var blocksLeft: [Int] {
        get throws {
            guard let network = (model as? any NetworkModel)?.network else { return [] }
            let idle = Set(idleBlocks)
            let left = network.blocks.indices.filter { !idle.contains($0) }
            if let block = left.first(where: { network.blocks[$0].isEmpty }) {
                let what = network.normalizesFirst ? "the biases of its outputs" : "its LayerNorms"
                throw refuse("block \(block) is empty but \(what) remain, and an ordinary block has both parts")
            }
            guard !left.isEmpty else { throw refuse("all its blocks are empty") }
            return left
        }
    }

    /// Counts the blocks without those that are idle, and takes their entries out of lists.
    /// - Throws: `TransformersError.notExpressible` where a list has not one entry for each block, or is unknown.
    func leaveOutIdleBlocks(of configuration: inout ModelConfiguration) throws {
        let idle = idleBlocks
        guard !idle.isEmpty, let network = (model as? any NetworkModel)?.network else { return }
        let (keys, left) = (network.sizeKeys, try blocksLeft)
        for key in configuration.root.keys {
            guard let entries = configuration.value(key)?.arrayValue else { continue }
            if keys.blockLists.contains(key) {
                guard entries.count == network.blocks.count else {
                    throw refuse(
                        "some blocks are empty, and '\(key)' is a list of \(entries.count) for \(network.blocks.count) blocks")
                }
                configuration.root[key] = .array(left.map { entries[$0] })
            } else if key.contains("layer") {
                throw refuse("some blocks are empty, and it is not known which entries of '\(key)' are theirs")
            }
        }
        for (key, usual) in keys.leadingBlocks.sorted(by: { $0.key < $1.key }) {
            let number = try configuration.integer(key, default: usual)
            guard configuration.contains(key) || number < network.blocks.count else { continue }
            configuration.root[key] = .integer(Int64(number - idle.count { $0 < number }))
        }
        configuration.root[keys.blocks] = .integer(Int64(left.count))
    }

    /// What tensors of this folder are called in an ordinary one, by their names here: behind a block that is left out
    /// the others move up. Those of blocks that are left out are not there.
    public func ordinaryNames(of tensors: [String]) -> [String: String] {
        let idle = Set(idleBlocks)
        let blocks = (model as? any NetworkModel)?.network.blocks.map(\.names.block) ?? []
        let left = blocks.indices.filter { !idle.contains($0) }
        let moved = Dictionary(uniqueKeysWithValues: zip(left, blocks))
        var result: [String: String] = [:]
        for tensor in tensors {
            if let index = blocks.firstIndex(where: { tensor.hasPrefix("\($0).") }) {
                result[tensor] = moved[index].map { $0 + tensor.dropFirst(blocks[index].count) }
            } else {
                result[tensor] = tensor
            }
        }
        return result
    }
}
