import ModelFiles
import Tensors
import Testing
import Transformers

/// What belongs together in each architecture, against lists written by hand.
@Suite struct CouplingTests {
    private func coupling(_ name: String) throws -> ModelCoupling {
        try #require(try SmallFolders.load(name).model as? any NetworkModel).coupling
    }

    private func linear(_ site: String, bias: Bool = true) -> LinearDescription {
        LinearDescription(site: site, bias: bias ? site + ".bias" : nil)
    }

    /// Four matrices of attention behind the block's name.
    private func attention(
        _ block: String, _ names: [String], heads: Int, keyValueHeads: Int? = nil, width: Int, biases: [Bool],
        rotary: Bool = false, norms: Bool = false, window: Int? = nil
    ) -> AttentionDescription {
        let linears = zip(names, biases).map { linear("\(block).\($0)", bias: $1) }
        let groups = keyValueHeads ?? heads
        return AttentionDescription(
            query: linears[0], key: linears[1], value: linears[2], output: linears[3], heads: heads,
            keyValueHeads: groups, queryKeyWidth: width, valueWidth: width,
            rotaryPairs: rotary ? (0..<groups).flatMap { _ in 0..<width / 2 } : nil,
            queryNorm: norms ? NormDescription(.rootMeanSquare, "\(block).self_attn.q_norm") : nil,
            keyNorm: norms ? NormDescription(.rootMeanSquare, "\(block).self_attn.k_norm") : nil, window: window)
    }

    /// Llama and its variants: gated, root-mean-square norms first.
    private func llama(
        width: Int, heads: Int, keyValueHeads: Int, headWidth: Int, biases: [Bool], wideBias: Bool = false,
        norms: Bool = false, windows: [Int?] = [nil, nil], isTied: Bool = false
    ) -> ModelCoupling {
        let blocks = (0..<2).map { index in
            let block = "model.layers.\(index)"
            return BlockDescription(
                name: block, attentionNorm: NormDescription(.rootMeanSquare, "\(block).input_layernorm"),
                attention: attention(
                    block, ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"], heads: heads,
                    keyValueHeads: keyValueHeads, width: headWidth, biases: biases, rotary: true, norms: norms,
                    window: windows[index]),
                feedForwardNorm: NormDescription(.rootMeanSquare, "\(block).post_attention_layernorm"),
                feedForward: FeedForwardDescription(
                    gate: linear("\(block).mlp.gate_proj", bias: wideBias),
                    up: linear("\(block).mlp.up_proj", bias: wideBias),
                    down: linear("\(block).mlp.down_proj", bias: wideBias), activation: .silu, width: 35))
        }
        return ModelCoupling(
            residual: ResidualStream(
                width: width, normalizesFirst: true, tables: ["model.embed_tokens"],
                outputNorm: NormDescription(.rootMeanSquare, "model.norm"),
                readers: isTied ? [] : [linear("lm_head", bias: false)]),
            blocks: blocks, tied: isTied ? TiedMatrix(site: "model.embed_tokens", readsStream: true) : nil)
    }

    @Test func llamaAndItsVariants() throws {
        #expect(
            try coupling("llama")
                == llama(
                    width: 24, heads: 4, keyValueHeads: 2, headWidth: 8, biases: [true, true, true, true], wideBias: true))
        #expect(
            try coupling("mistral")
                == llama(
                    width: 24, heads: 4, keyValueHeads: 1, headWidth: 6, biases: [false, false, false, false],
                    windows: [5, 5]))
        #expect(
            try coupling("qwen2")
                == llama(
                    width: 36, heads: 6, keyValueHeads: 2, headWidth: 6, biases: [true, true, true, false],
                    windows: [nil, 7], isTied: true))
        #expect(
            try coupling("qwen3")
                == llama(
                    width: 24, heads: 4, keyValueHeads: 2, headWidth: 10, biases: [false, false, false, false],
                    norms: true))
    }

    /// A block of BERT's kind: layer norms, all biases, two matrices in the feed-forward part.
    private func plainBlock(
        _ name: String, norms: (attention: String, feedForward: String), attention names: [String], heads: Int, width: Int,
        feedForward: (up: String, down: String), _ activation: Activation, wide: Int
    ) -> BlockDescription {
        BlockDescription(
            name: name, attentionNorm: NormDescription(.layer, "\(name).\(norms.attention)"),
            attention: attention(name, names, heads: heads, width: width, biases: [true, true, true, true]),
            feedForwardNorm: NormDescription(.layer, "\(name).\(norms.feedForward)"),
            feedForward: FeedForwardDescription(
                up: linear("\(name).\(feedForward.up)"), down: linear("\(name).\(feedForward.down)"),
                activation: activation, width: wide))
    }

    /// BERT and RoBERTa: layer norms after the sums, a constant for the token type.
    private func bert(width: Int, heads: Int) -> ModelCoupling {
        let blocks = (0..<2).map { index in
            plainBlock(
                "encoder.layer.\(index)", norms: ("attention.output.LayerNorm", "output.LayerNorm"),
                attention: ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"],
                heads: heads, width: width / heads, feedForward: ("intermediate.dense", "output.dense"), .gelu, wide: 50)
        }
        return ModelCoupling(
            residual: ResidualStream(
                width: width, normalizesFirst: false,
                tables: ["embeddings.word_embeddings", "embeddings.position_embeddings"],
                constants: ["embeddings.token_type_embeddings.0"],
                inputNorm: NormDescription(.layer, "embeddings.LayerNorm")),
            blocks: blocks)
    }

    @Test func bertAndItsVariants() throws {
        #expect(try coupling("bert") == bert(width: 30, heads: 5))
        #expect(try coupling("roberta") == bert(width: 27, heads: 3))
        let distilled = try coupling("distilbert")
        #expect(
            distilled.residual
                == ResidualStream(
                    width: 28, normalizesFirst: false,
                    tables: ["embeddings.word_embeddings", "embeddings.position_embeddings"],
                    inputNorm: NormDescription(.layer, "embeddings.LayerNorm")))
        #expect(
            distilled.blocks.last
                == plainBlock(
                    "transformer.layer.1", norms: ("sa_layer_norm", "output_layer_norm"),
                    attention: ["attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"], heads: 2,
                    width: 14, feedForward: ("ffn.lin1", "ffn.lin2"), .gelu, wide: 45))
    }

    @Test func gpt2() throws {
        let blocks = (0..<2).map { index in
            plainBlock(
                "transformer.h.\(index)", norms: ("ln_1", "ln_2"),
                attention: ["attn.c_attn.query", "attn.c_attn.key", "attn.c_attn.value", "attn.c_proj"], heads: 3,
                width: 11, feedForward: ("mlp.c_fc", "mlp.c_proj"), .geluTanh, wide: 50)
        }
        #expect(
            try coupling("gpt2")
                == ModelCoupling(
                    residual: ResidualStream(
                        width: 33, normalizesFirst: true, tables: ["transformer.wte", "transformer.wpe"],
                        outputNorm: NormDescription(.layer, "transformer.ln_f")),
                    blocks: blocks, tied: TiedMatrix(site: "transformer.wte", readsStream: true)))
        let untied = try coupling("gpt2-untied")
        #expect(untied.tied == nil && untied.residual.readers == [linear("lm_head", bias: false)])
        #expect(untied.blocks.first?.feedForward?.activation == .relu)
    }

    @Test func opt() throws {
        func blocks(_ width: Int, heads: Int, wide: Int) -> [BlockDescription] {
            (0..<2).map { index in
                plainBlock(
                    "model.decoder.layers.\(index)", norms: ("self_attn_layer_norm", "final_layer_norm"),
                    attention: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"],
                    heads: heads, width: width / heads, feedForward: ("fc1", "fc2"), .relu, wide: wide)
            }
        }
        let (words, positions) = ("model.decoder.embed_tokens", "model.decoder.embed_positions")
        #expect(
            try coupling("opt")
                == ModelCoupling(
                    residual: ResidualStream(
                        width: 30, normalizesFirst: true, tables: [words, positions],
                        outputNorm: NormDescription(.layer, "model.decoder.final_layer_norm")),
                    blocks: blocks(30, heads: 3, wide: 50), tied: TiedMatrix(site: words, readsStream: true)))
        // The tied table is as wide as the projections are on their other side, not as the stream.
        #expect(
            try coupling("opt-projected")
                == ModelCoupling(
                    residual: ResidualStream(
                        width: 28, normalizesFirst: false, tables: [positions],
                        writers: [linear("model.decoder.project_in", bias: false)],
                        readers: [linear("model.decoder.project_out", bias: false)]),
                    blocks: blocks(28, heads: 2, wide: 45), tied: TiedMatrix(site: words, readsStream: false)))
    }

    @Test func vit() throws {
        let blocks = (0..<2).map { index in
            plainBlock(
                "encoder.layer.\(index)", norms: ("layernorm_before", "layernorm_after"),
                attention: [
                    "attention.attention.query", "attention.attention.key", "attention.attention.value",
                    "attention.output.dense",
                ], heads: 3, width: 10, feedForward: ("intermediate.dense", "output.dense"), .gelu, wide: 50)
        }
        #expect(
            try coupling("vit")
                == ModelCoupling(
                    residual: ResidualStream(
                        width: 30, normalizesFirst: true, tables: ["embeddings.position_embeddings"],
                        writers: [linear("embeddings.patch_embeddings.projection")],
                        constants: ["embeddings.cls_token"], outputNorm: NormDescription(.layer, "layernorm")),
                    blocks: blocks))
    }

    @Test func widthsOfALlama() throws {
        let widths = try coupling("llama").widths
        #expect(widths.count == 7)
        let blocks = ["model.layers.0", "model.layers.1"]
        func reads(_ names: [String]) -> [CoupledWidth.Member] { names.map { CoupledWidth.Member($0, .inputs) } }
        #expect(
            widths[0]
                == CoupledWidth(
                    kind: .residual, width: 24,
                    members: reads(["model.embed_tokens"])
                        + blocks.flatMap { block in
                            reads(["q_proj", "k_proj", "v_proj"].map { "\(block).self_attn.\($0)" })
                                + [CoupledWidth.Member("\(block).self_attn.o_proj", .outputs)]
                                + reads(["\(block).mlp.gate_proj", "\(block).mlp.up_proj"])
                                + [CoupledWidth.Member("\(block).mlp.down_proj", .outputs)]
                        } + reads(["lm_head"]),
                    vectors: blocks.flatMap { block in
                        [
                            "\(block).input_layernorm.weight", "\(block).self_attn.o_proj.bias",
                            "\(block).post_attention_layernorm.weight", "\(block).mlp.down_proj.bias",
                        ]
                    } + ["model.norm.weight"]))
        let block = blocks[1]
        #expect(
            widths[4]
                == CoupledWidth(
                    kind: .queryKey(1), groups: 2, width: 8,
                    members: [
                        CoupledWidth.Member("\(block).self_attn.q_proj", .outputs, headsPerGroup: 2),
                        CoupledWidth.Member("\(block).self_attn.k_proj", .outputs),
                    ], vectors: ["\(block).self_attn.q_proj.bias", "\(block).self_attn.k_proj.bias"]))
        #expect(
            widths[5]
                == CoupledWidth(
                    kind: .value(1), groups: 2, width: 8,
                    members: [
                        CoupledWidth.Member("\(block).self_attn.v_proj", .outputs),
                        CoupledWidth.Member("\(block).self_attn.o_proj", .inputs, headsPerGroup: 2),
                    ], vectors: ["\(block).self_attn.v_proj.bias"]))
        #expect(
            widths[6]
                == CoupledWidth(
                    kind: .feedForward(1), width: 35,
                    members: [
                        CoupledWidth.Member("\(block).mlp.gate_proj", .outputs),
                        CoupledWidth.Member("\(block).mlp.up_proj", .outputs),
                        CoupledWidth.Member("\(block).mlp.down_proj", .inputs),
                    ], vectors: ["\(block).mlp.gate_proj.bias", "\(block).mlp.up_proj.bias"]))
        let shared = try coupling("qwen3").widths[1]
        #expect(
            shared.sharedVectors
                == ["model.layers.0.self_attn.q_norm.weight", "model.layers.0.self_attn.k_norm.weight"])
    }

    /// Every member has the width that its group says, and every vector as many numbers.
    @Test(arguments: SmallFolders.texts + ["vit"]) func widthsAreThoseOfTheMatrices(name: String) throws {
        let model = try #require(try SmallFolders.load(name).model as? any NetworkModel)
        let shapes = Dictionary(model.sites.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
        var covered: Set<String> = []
        for width in model.coupling.widths {
            let count = width.groups * width.width
            for member in width.members {
                let shape = try #require(shapes[member.site])
                #expect(
                    (member.side == .outputs ? shape.rows : shape.columns) == count * member.headsPerGroup,
                    "\(member.site)")
            }
            for vector in width.vectors {
                let numbers = try #require(model[vector: vector]).count
                let member = width.members.first { "\($0.site).bias" == vector }
                #expect(numbers == count * (member?.headsPerGroup ?? 1), "\(vector)")
            }
            for vector in width.sharedVectors { #expect(model[vector: vector]?.count == width.width) }
            covered.formUnion(width.vectors + width.sharedVectors)
        }
        // Nothing that could be cut is forgotten.
        #expect(covered == Set(model.vectorNames))
    }
}
