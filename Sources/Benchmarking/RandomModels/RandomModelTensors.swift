import StructuredMatrices

/// The tensors of a model, by what they hold.
enum RandomModelTensor {
    /// `<name>.weight`, which may be kept in small integers.
    case matrix(name: String, rows: Int, columns: Int)
    /// `<name>.weight`, which stays as it is: a small table.
    case table(name: String, rows: Int, columns: Int)
    /// All elements alike: norms 1, biases 0. The full name.
    case vector(name: String, count: Int, value: Float)
}

extension RandomModelShape {
    /// Everything a checkpoint of this shape holds, under the names of Hugging Face's.
    var tensors: [RandomModelTensor] { kind == .llama ? llamaTensors : bertTensors }

    private var llamaTensors: [RandomModelTensor] {
        let (queries, keys) = (heads * headDimension, keyValueHeads * headDimension)
        var all: [RandomModelTensor] = [
            .matrix(name: "model.embed_tokens", rows: vocabularySize, columns: hiddenSize)
        ]
        for layer in 0..<layers {
            let base = "model.layers.\(layer)"
            all += [
                .vector(name: "\(base).input_layernorm.weight", count: hiddenSize, value: 1),
                .matrix(name: "\(base).self_attn.q_proj", rows: queries, columns: hiddenSize),
                .matrix(name: "\(base).self_attn.k_proj", rows: keys, columns: hiddenSize),
                .matrix(name: "\(base).self_attn.v_proj", rows: keys, columns: hiddenSize),
                .matrix(name: "\(base).self_attn.o_proj", rows: hiddenSize, columns: queries),
                .vector(name: "\(base).post_attention_layernorm.weight", count: hiddenSize, value: 1),
                .matrix(name: "\(base).mlp.gate_proj", rows: intermediateSize, columns: hiddenSize),
                .matrix(name: "\(base).mlp.up_proj", rows: intermediateSize, columns: hiddenSize),
                .matrix(name: "\(base).mlp.down_proj", rows: hiddenSize, columns: intermediateSize),
            ]
        }
        all.append(.vector(name: "model.norm.weight", count: hiddenSize, value: 1))
        if !tiedEmbeddings { all.append(.matrix(name: "lm_head", rows: vocabularySize, columns: hiddenSize)) }
        return all
    }

    private var bertTensors: [RandomModelTensor] {
        func norm(_ name: String) -> [RandomModelTensor] {
            [
                .vector(name: "\(name).weight", count: hiddenSize, value: 1),
                .vector(name: "\(name).bias", count: hiddenSize, value: 0),
            ]
        }
        func linear(_ name: String, rows: Int, columns: Int) -> [RandomModelTensor] {
            [
                .matrix(name: name, rows: rows, columns: columns),
                .vector(name: "\(name).bias", count: rows, value: 0),
            ]
        }
        var all: [RandomModelTensor] = [
            .matrix(name: "embeddings.word_embeddings", rows: vocabularySize, columns: hiddenSize),
            .table(name: "embeddings.position_embeddings", rows: positions, columns: hiddenSize),
            .table(name: "embeddings.token_type_embeddings", rows: 2, columns: hiddenSize),
        ]
        all += norm("embeddings.LayerNorm")
        for layer in 0..<layers {
            let base = "encoder.layer.\(layer)"
            for part in ["self.query", "self.key", "self.value", "output.dense"] {
                all += linear("\(base).attention.\(part)", rows: hiddenSize, columns: hiddenSize)
            }
            all += norm("\(base).attention.output.LayerNorm")
            all += linear("\(base).intermediate.dense", rows: intermediateSize, columns: hiddenSize)
            all += linear("\(base).output.dense", rows: hiddenSize, columns: intermediateSize)
            all += norm("\(base).output.LayerNorm")
        }
        return all
    }
}
