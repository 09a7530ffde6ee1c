import Tensors

/// Norms and biases of a network by name, and where what they give can be seen.
extension NetworkModel {
    /// The norms in the order of the computation.
    public var norms: [NormSite] {
        let last = blockCount - 1
        var result: [NormSite] = []
        func add(_ name: String?, _ norm: Norm?, block: Int, _ output: NormSite.Output) {
            guard let name, let norm, !norm.weight.isEmpty else { return }
            result.append(NormSite(name: name, block: block, output: output))
        }
        add(network.input.normName, network.input.norm, block: -1, .states)
        for (index, block) in network.blocks.enumerated() {
            let names = block.names
            if network.normalizesFirst {
                add(names.attentionNorm, block.attentionNorm, block: index, .input(names.attentionInput))
                add(names.feedForwardNorm, block.feedForwardNorm, block: index, .input(names.feedForwardInput))
            } else {
                // Behind a part that is gone nothing reads what the first norm gives.
                let isRead = block.sizes.feedForwardWidth > 0
                if isRead { add(names.attentionNorm, block.attentionNorm, block: index, .input(names.feedForwardInput)) }
                add(names.feedForwardNorm, block.feedForwardNorm, block: index, .states)
            }
        }
        let end: NormSite.Output =
            network.output.projection.map { .input("\($0) input") }
            ?? (network.headPlace == nil ? .states : .input(Network.headInput))
        add(network.output.normName, network.output.norm, block: last, end)
        return result
    }

    /// The numbers of a norm. Setting trusts counts.
    /// - Precondition: the name is that of one of `norms`.
    public subscript(norm name: String) -> NormValues {
        get { NormValues(gain: self[vector: "\(name).weight"] ?? [], shift: self[vector: "\(name).bias"]) }
        set {
            self[vector: "\(name).weight"] = newValue.gain
            if let shift = newValue.shift, self[vector: "\(name).bias"] != nil { self[vector: "\(name).bias"] = shift }
        }
    }

    /// What is added to the outputs of the matrix at a site; nil where nothing is. Setting trusts counts, and does nothing
    /// where there is none: the checkpoint has no place for it.
    public subscript(bias site: String) -> [Float]? {
        get { self[vector: "\(site).bias"] }
        set {
            guard let newValue, self[vector: "\(site).bias"] != nil else { return }
            self[vector: "\(site).bias"] = newValue
        }
    }

    /// Where the sum lies that the matrix's outputs are added to, in the same block; nil where they are not added to
    /// anything, or what they are added to is not shown: a skip matrix makes it of what is.
    public func residual(of site: String) -> NormSite.Output? {
        for block in network.blocks {
            if site == block.names.attentionOutput { return block.hasAttentionSkip ? nil : .states }
            if site == block.names.down {
                // Where norms stand first, no matrix reads the sum as it is.
                let isShown = !network.normalizesFirst && !block.hasFeedForwardSkip
                return isShown ? .input(block.names.feedForwardInput) : nil
            }
        }
        return nil
    }
}
