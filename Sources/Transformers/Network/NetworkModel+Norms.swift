import Tensors

/// Norms and biases of a network by name, and where what they give can be seen.
extension NetworkModel {
    public var norms: [NormSite] {
        let last = blockCount - 1
        var result: [NormSite] = []
        func add(_ name: String?, _ norm: Norm?, layer: Int, _ output: NormSite.Output) {
            guard let name, let norm, !norm.weight.isEmpty else { return }
            result.append(NormSite(name: name, layer: layer, output: output))
        }
        add(network.input.normName, network.input.norm, layer: -1, .states)
        for (index, block) in network.blocks.enumerated() {
            let names = block.names
            if network.normalizesFirst {
                add(names.attentionNorm, block.attentionNorm, layer: index, .input(names.attentionInput))
                add(names.feedForwardNorm, block.feedForwardNorm, layer: index, .input(names.feedForwardInput))
            } else {
                // Behind a part that is gone nothing reads what the first norm gives.
                let isRead = block.sizes.feedForwardWidth > 0
                if isRead { add(names.attentionNorm, block.attentionNorm, layer: index, .input(names.feedForwardInput)) }
                add(names.feedForwardNorm, block.feedForwardNorm, layer: index, .states)
            }
        }
        let end: NormSite.Output =
            network.output.projection.map { .input("\($0) input") }
            ?? (network.headPlace == nil ? .states : .input(Network.headInput))
        add(network.output.normName, network.output.norm, layer: last, end)
        return result
    }

    public subscript(norm name: String) -> NormValues {
        get { NormValues(gain: self[vector: "\(name).weight"] ?? [], shift: self[vector: "\(name).bias"]) }
        set {
            self[vector: "\(name).weight"] = newValue.gain
            if let shift = newValue.shift, self[vector: "\(name).bias"] != nil { self[vector: "\(name).bias"] = shift }
        }
    }

    public subscript(bias site: String) -> [Float]? {
        get { self[vector: "\(site).bias"] }
        set {
            guard let newValue, self[vector: "\(site).bias"] != nil else { return }
            self[vector: "\(site).bias"] = newValue
        }
    }

    public func residual(of site: String) -> NormSite.Output? {
        for block in network.blocks {
            if site == block.names.attentionOutput { return .states }
            if site == block.names.down {
                // Where norms stand first, no matrix reads the sum as it is.
                return network.normalizesFirst ? nil : .input(block.names.feedForwardInput)
            }
        }
        return nil
    }
}

extension TransformerEncoder: LayeredModel {}
extension CausalTransformer: LayeredModel {}
