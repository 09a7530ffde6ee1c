#!/usr/bin/env python3
"""Tokens a second of Llama models with random weights: llama.cpp beside `tessera bench models`, taking turns.

    python Benchmarks/peers/decode.py [--parameters 110M] [--threads 2] [--rounds 5] [--folder DIR] [--json FILE]

Both run models of the same shapes (made here in DIR, a temporary folder by default; several GB for 1B): llama.cpp with F16,
Q8_0 and Q4_0, tessera with f16, int8 and int4, all in groups of 32. What is timed is one token after the other, after a short
prompt. Packages: llama-cpp-python, gguf, numpy.
"""

import argparse
import os
import tempfile
import time

import side_by_side as turns

SHAPES = {
    "15M": dict(layers=6, hidden=288, heads=6, kv_heads=6, intermediate=768, tied=True),
    "110M": dict(layers=12, hidden=768, heads=12, kv_heads=12, intermediate=2048, tied=True),
    "1B": dict(layers=22, hidden=2048, heads=32, kv_heads=4, intermediate=5632, tied=False),
}
VOCABULARY = 32000
PROMPT = 16
NEW = {"15M": 128, "110M": 64, "1B": 16}
# Ours and theirs with as many bits.
PRECISIONS = {"f16": "F16", "int8": "Q8_0", "int4": "Q4_0"}


def tensors(shape):
    """Names in GGUF files, with rows and columns."""
    hidden, keys = shape["hidden"], shape["hidden"] // shape["heads"] * shape["kv_heads"]
    yield "token_embd.weight", VOCABULARY, hidden
    for layer in range(shape["layers"]):
        for name, rows, columns in [
            ("attn_q", hidden, hidden), ("attn_k", keys, hidden), ("attn_v", keys, hidden), ("attn_output", hidden, hidden),
            ("ffn_gate", shape["intermediate"], hidden), ("ffn_up", shape["intermediate"], hidden),
            ("ffn_down", hidden, shape["intermediate"]),
        ]:
            yield f"blk.{layer}.{name}.weight", rows, columns
    if not shape["tied"]:
        yield "output.weight", VOCABULARY, hidden


def random_blocks(generator, rows, columns, kind):
    """The bytes of a random matrix in a format of GGUF, rows x bytes: 32 numbers a block, a binary16 scale before them."""
    import numpy as np

    if kind == "F16":
        return (generator.random((rows, columns), dtype=np.float32) * 0.07 - 0.035).astype(np.float16)
    bytes_of_codes = {"Q8_0": 32, "Q4_0": 16}[kind]
    blocks = rows * (columns // 32)
    data = np.empty((blocks, 2 + bytes_of_codes), dtype=np.uint8)
    scale = 0.035 / {"Q8_0": 128, "Q4_0": 8}[kind]
    data[:, :2] = np.full((blocks, 1), scale, dtype=np.float16).view(np.uint8)
    data[:, 2:] = generator.integers(0, 256, (blocks, bytes_of_codes), dtype=np.uint8)
    return data.reshape(rows, -1)


def write_gguf(path, shape, kind):
    import gguf
    import numpy as np

    generator = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(2048)
    writer.add_embedding_length(shape["hidden"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["intermediate"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_rope_dimension_count(shape["hidden"] // shape["heads"])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    # A vocabulary of bytes and of names for the rest; no text is ever tokenized.
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    names += [f"token{index}" for index in range(VOCABULARY - len(names))]
    types = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256
    types += [gguf.TokenType.NORMAL] * (VOCABULARY - len(types))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(names)
    writer.add_token_scores([0.0] * VOCABULARY)
    writer.add_token_types(types)
    format = getattr(gguf.GGMLQuantizationType, kind)
    ones = np.ones(shape["hidden"], dtype=np.float32)
    for layer in range(shape["layers"]):
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", ones)
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", ones)
    writer.add_tensor("output_norm.weight", ones)
    for name, rows, columns in tensors(shape):
        data = random_blocks(generator, rows, columns, kind)
        writer.add_tensor(name, data, raw_dtype=None if kind == "F16" else format)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama_contestant(path, threads, new):
    import llama_cpp

    model = llama_cpp.Llama(path, n_ctx=512, n_threads=threads, n_threads_batch=threads, n_gpu_layers=0, verbose=False)
    prompt = [3 + 37 * index % 30000 for index in range(PROMPT)]

    def run():
        model.reset()
        model.eval(prompt)
        began = time.perf_counter()
        for step in range(new):
            model.eval([300 + 41 * step % 30000])
        return new / (time.perf_counter() - began)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parameters", choices=list(SHAPES), default="110M")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help="some of " + ", ".join(PRECISIONS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where models are made, and kept")
    parser.add_argument("--json", help="where to write the figures")
    arguments = parser.parse_args()
    llama_cpp, _, _ = turns.needs(["llama_cpp", "gguf", "numpy"], "llama-cpp-python gguf numpy")
    shape, new = SHAPES[arguments.parameters], NEW[arguments.parameters]

    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or temporary
        os.makedirs(folder, exist_ok=True)
        contestants, ours = {}, {}
        for precision in arguments.precisions.split(","):
            kind = PRECISIONS[precision]
            path = os.path.join(folder, f"llama-{arguments.parameters}-{kind}.gguf")
            if not os.path.exists(path):
                write_gguf(path, shape, kind)
            contestants[f"llama.cpp {kind}"] = llama_contestant(path, arguments.threads, new)
            model = os.path.join(folder, f"llama-{arguments.parameters}-{precision}")
            if not os.path.exists(model):
                turns.tessera(
                    "bench", "make-model", model, "--kind", "llama", "--parameters", arguments.parameters, "--precision",
                    precision)
            ours[model] = f"tessera {precision}"

        def tessera():
            document = turns.tessera(
                "bench", "models", *ours, "--rounds", "1", "--threads", str(arguments.threads), "--prompt-tokens",
                str(PROMPT), "--new-tokens", str(new))
            return {ours[model]: rate for model, rate in turns.rates(document, "decode").items()}

        for contestant in contestants.values():
            contestant()  # warms up
        contestants["tessera"] = tessera
        results = turns.take_turns(contestants, arguments.rounds)
    turns.report(
        f"decode, Llama {arguments.parameters} with random weights, {arguments.threads} threads", "tokens/s", results,
        next(iter(contestants)), arguments.json,
        {"threads": arguments.threads, "parameters": arguments.parameters, "versions": {"llama-cpp-python": llama_cpp.__version__}})


if __name__ == "__main__":
    main()
