"""Makes the small models and their goldens under Tests/TransformersTests/Resources/models with Hugging Face transformers.

    pip install torch==2.15.0 transformers==5.23.0 tokenizers==0.23.3 safetensors==0.8.0 numpy
    python Scripts/golden/make_model_goldens.py [NAME ...]

Every folder is a model of a few thousand random numbers as transformers writes it (weights in one file or in shards, configuration,
a tokenizer of its own class) and golden.json: the ids of awkward texts, and what the model computes in float32. Causal models:
scores after every token for some of the vocabulary, and greedy continuations; encoders: the mean over the tokens of the last
hidden states; vit: the class token's, of images.npy. The same bytes at every run, except for training's ties in the tokenizers,
which are therefore kept where they are there already.
"""
import json
import os
import sys

import numpy
import tokenizers
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizer_texts import MIXED, PROSE, random_texts

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
OUT = os.path.join(ROOT, "Tests", "TransformersTests", "Resources", "models")
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
VOCABULARY = 300


def trained(name, make):
    """The vocabulary and merges of a tokenizer that is there, else of one trained now."""
    path = os.path.join(OUT, name, "tokenizer.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as source:
            return json.load(source)["model"]
    tokenizer, trainer = make()
    tokenizer.train_from_iterator(PROSE.split("\n"), trainer)
    return json.loads(tokenizer.to_str())["model"]


def byte_pairs(name, special):
    def make():
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        return tokenizer, trainers.BpeTrainer(
            vocab_size=VOCABULARY, show_progress=False, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())

    model = trained(name, make)
    return dict(vocab=model["vocab"], merges=[tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]])


def gpt2_tokenizer(name):
    return transformers.GPT2Tokenizer(
        **byte_pairs(name, ["<|endoftext|>"]), unk_token="<|endoftext|>", bos_token="<|endoftext|>", eos_token="<|endoftext|>")


def opt_tokenizer(name):
    return transformers.GPT2Tokenizer(
        **byte_pairs(name, SPECIAL), unk_token="</s>", bos_token="</s>", eos_token="</s>", pad_token="<pad>", add_bos_token=True)


def roberta_tokenizer(name):
    return transformers.RobertaTokenizer(**byte_pairs(name, SPECIAL))


def qwen_tokenizer(name):
    return transformers.Qwen2Tokenizer(**byte_pairs(name, ["<|endoftext|>"]))


def llama_tokenizer(name):
    def make():
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
        return tokenizer, trainers.BpeTrainer(
            vocab_size=330, show_progress=False, special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)])

    model = trained(name, make)
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]
    return transformers.LlamaTokenizer(vocab=model["vocab"], merges=merges)


def word_pieces(name, cls):
    def make():
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        return tokenizer, trainers.WordPieceTrainer(
            vocab_size=VOCABULARY, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])

    return cls(vocab=trained(name, make)["vocab"])


def randomize(model, seed):
    """Numbers large enough for every part to matter: weights of deviation 0.6 / sqrt(inputs), norms near 1, biases of 0.1."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() < 2:
            is_scale = "norm" in name.lower() or ".ln_" in name
            parameter.data = 1 + 0.1 * noise if is_scale and name.endswith("weight") else 0.1 * noise
        else:
            inputs = parameter.shape[0] if isinstance(model, transformers.GPT2LMHeadModel) and ".h." in name else parameter.shape[1]
            is_table = any(word in name for word in ("embed", "wte", "wpe")) and "projection" not in name
            parameter.data = noise * (0.5 if is_table else 0.9 / inputs ** 0.5)
    model.tie_weights()
    return model.eval()


def ids_of(tokenizer, vocabulary):
    cases = []
    for text in MIXED + random_texts(40, 5):
        cases.append({"text": text, "ids": tokenizer(text)["input_ids"]})
    sequences = [tokenizer(text)["input_ids"] for text in ("The old mill", "in 1987 the town's budget grew, she said.", "x")]
    sequences.append([(7 * i * i + 3 * i + 11) % vocabulary for i in range(26)])
    return cases, [s for s in sequences if s]


def rounded(values):
    return [float(f"{value:.7g}") for value in values]


def causal(name, model, tokenizer, shard=None, dtype=torch.float32):
    model = randomize(model, len(name))
    for parameter in model.parameters():
        # Not the model as a whole: its table of rotary frequencies must stay as it is.
        parameter.data = parameter.data.to(dtype).float()
    vocabulary = model.config.vocab_size
    texts, sequences = ids_of(tokenizer, vocabulary)
    columns = list(range(0, vocabulary, vocabulary // 11))
    golden = {"texts": texts, "columns": columns, "sequences": [], "greedy": []}
    with torch.no_grad():
        for ids in sequences:
            scores = model(torch.tensor([ids])).logits[0]
            golden["sequences"].append({"ids": ids, "logits": [rounded(row[columns].tolist()) for row in scores]})
        for ids in sequences[:2]:
            longer = list(ids)
            for _ in range(12):
                longer.append(int(model(torch.tensor([longer])).logits[0, -1].argmax()))
            golden["greedy"].append({"ids": ids, "continued": longer[len(ids):]})
    save(name, model.to(dtype), tokenizer, golden, shard)


def encoder(name, model, tokenizer, padding=None):
    model = randomize(model, len(name))
    texts, sequences = ids_of(tokenizer, model.config.vocab_size)
    if padding is not None:
        sequences.append(sequences[0][:2] + [padding, padding] + sequences[0][2:] + [padding])
    golden = {"texts": texts, "sequences": []}
    with torch.no_grad():
        for ids in sequences:
            hidden = model(torch.tensor([ids])).last_hidden_state[0]
            golden["sequences"].append({"ids": ids, "mean": rounded(hidden.mean(0).tolist())})
    save(name, model, tokenizer, golden)


def images(name, model, count):
    model = randomize(model, len(name))
    # Smooth pictures with some noise: neighbouring patches are alike, as in photographs.
    generator = numpy.random.default_rng(7)
    height, width = model.config.image_size
    y, x = numpy.meshgrid(numpy.linspace(0, 1, height), numpy.linspace(0, 1, width), indexing="ij")
    pixels = numpy.stack([
        numpy.stack([
            numpy.sin(generator.uniform(1, 7) * x + generator.uniform(1, 7) * y + generator.uniform(0, 6)) + 0.2 * generator.normal(size=x.shape)
            for _ in range(model.config.num_channels)]) for _ in range(count)]).astype(numpy.float32)
    with torch.no_grad():
        hidden = model(torch.from_numpy(pixels)).last_hidden_state[:, 0]
    save(name, model, None, {"images": [rounded(row.tolist()) for row in hidden]})
    numpy.save(os.path.join(OUT, name, "images.npy"), pixels)


def save(name, model, tokenizer, golden, shard=None):
    folder = os.path.join(OUT, name)
    model.save_pretrained(folder, max_shard_size=shard or "1GB")
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    with open(os.path.join(folder, "golden.json"), "w", encoding="utf-8") as out:
        json.dump(golden, out, ensure_ascii=False, separators=(",", ":"))
        out.write("\n")


def sizes(**changes):
    return dict(vocab_size=330, max_position_embeddings=64, num_hidden_layers=2, bos_token_id=1, eos_token_id=2, pad_token_id=None) | changes


def make_bert(name):
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=30, num_hidden_layers=2, num_attention_heads=5, intermediate_size=50, max_position_embeddings=64)
    encoder(name, transformers.BertModel(config), word_pieces(name, transformers.BertTokenizer))


def make_distilbert(name):
    config = transformers.DistilBertConfig(
        vocab_size=VOCABULARY, dim=28, n_layers=2, n_heads=2, hidden_dim=45, max_position_embeddings=64, sinusoidal_pos_embds=False)
    encoder(
        name, transformers.DistilBertModel(config),
        word_pieces(name, transformers.DistilBertTokenizer if hasattr(transformers, "DistilBertTokenizer") else transformers.BertTokenizer))


def make_roberta(name):
    config = transformers.RobertaConfig(
        vocab_size=VOCABULARY, hidden_size=27, num_hidden_layers=2, num_attention_heads=3, intermediate_size=50,
        max_position_embeddings=66, type_vocab_size=1, layer_norm_eps=1e-5)
    encoder(name, transformers.RobertaModel(config), roberta_tokenizer(name), padding=1)


def make_gpt2(name):
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=33, n_head=3, n_layer=2, n_inner=50, n_positions=64, bos_token_id=0, eos_token_id=0)
    causal(name, transformers.GPT2LMHeadModel(config), gpt2_tokenizer(name))


def make_gpt2_untied(name):
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=20, n_head=2, n_layer=1, n_positions=64, tie_word_embeddings=False, bos_token_id=0,
        eos_token_id=0, activation_function="relu")
    causal(name, transformers.GPT2LMHeadModel(config), gpt2_tokenizer(name), shard="20KB", dtype=torch.float16)


def make_opt(name):
    config = transformers.OPTConfig(
        vocab_size=VOCABULARY, hidden_size=30, num_attention_heads=3, num_hidden_layers=2, ffn_dim=50, max_position_embeddings=64,
        word_embed_proj_dim=30)
    causal(name, transformers.OPTForCausalLM(config), opt_tokenizer(name))


def make_opt_projected(name):
    config = transformers.OPTConfig(
        vocab_size=VOCABULARY, hidden_size=28, num_attention_heads=2, num_hidden_layers=2, ffn_dim=45, max_position_embeddings=64,
        word_embed_proj_dim=18, do_layer_norm_before=False)
    causal(name, transformers.OPTForCausalLM(config), opt_tokenizer(name))


def make_llama(name):
    config = transformers.LlamaConfig(**sizes(
        hidden_size=24, num_attention_heads=4, num_key_value_heads=2, head_dim=8, intermediate_size=35, attention_bias=True,
        mlp_bias=True, tie_word_embeddings=False,
        rope_parameters={"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 16}))
    causal(name, transformers.LlamaForCausalLM(config), llama_tokenizer(name))


def make_mistral(name):
    config = transformers.MistralConfig(**sizes(
        hidden_size=24, num_attention_heads=4, num_key_value_heads=1, head_dim=6, intermediate_size=35, sliding_window=5))
    causal(name, transformers.MistralForCausalLM(config), llama_tokenizer(name), shard="30KB")


def make_qwen2(name):
    config = transformers.Qwen2Config(**sizes(
        vocab_size=VOCABULARY, hidden_size=36, num_attention_heads=6, num_key_value_heads=2, intermediate_size=35, bos_token_id=0, eos_token_id=0,
        tie_word_embeddings=True, use_sliding_window=True, sliding_window=7, max_window_layers=1))
    causal(name, transformers.Qwen2ForCausalLM(config), qwen_tokenizer(name))


def make_qwen3(name):
    config = transformers.Qwen3Config(**sizes(
        vocab_size=VOCABULARY, hidden_size=24, num_attention_heads=4, num_key_value_heads=2, head_dim=10, intermediate_size=35,
        bos_token_id=0, eos_token_id=0, tie_word_embeddings=False))
    causal(name, transformers.Qwen3ForCausalLM(config), qwen_tokenizer(name), dtype=torch.float16)


def make_vit(name):
    config = transformers.ViTConfig(
        hidden_size=30, num_hidden_layers=2, num_attention_heads=3, intermediate_size=50, image_size=(12, 8), patch_size=4, num_channels=3)
    images(name, transformers.ViTModel(config), count=24)


MODELS = {
    "bert": make_bert, "distilbert": make_distilbert, "gpt2": make_gpt2, "gpt2-untied": make_gpt2_untied, "llama": make_llama,
    "mistral": make_mistral, "opt": make_opt, "opt-projected": make_opt_projected, "qwen2": make_qwen2, "qwen3": make_qwen3,
    "roberta": make_roberta, "vit": make_vit,
}

if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for chosen in sys.argv[1:] or MODELS:
        MODELS[chosen](chosen)
