#!/usr/bin/env python3
"""Sentences a second of all-MiniLM-L6-v2: PyTorch and ONNX Runtime beside `tessera bench models`, taking turns.

    python Benchmarks/peers/encode.py MODEL [OTHER-MODEL ...] --text sentences.txt [--threads 2] [--rounds 5] [--json FILE]

MODEL is the dense model's folder, read by everyone; OTHER-MODELs (compressed by tessera) are run by tessera alone. All do
the same work: the first 512 lines of the text, 32 together; the peers sort them by length first, as sentence-transformers
does, and leave tokenization out of the time, as tessera does. The mean over the tokens and the normalisation are included.
Optional packages: torch and transformers; onnx, onnxruntime and onnxscript beside them for ONNX Runtime.
"""

import argparse
import logging
import os
import tempfile
import time
import warnings

import side_by_side as turns

BATCH = 32


def batches(model, sentences):
    """Token ids, and the mask of what is a token, of batches of sentences of about one length."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    encoded = [tokenizer(s, truncation=True, max_length=256)["input_ids"] for s in sentences]
    encoded.sort(key=len)
    result = []
    for first in range(0, len(encoded), BATCH):
        part = encoded[first:first + BATCH]
        longest = max(map(len, part))
        ids = torch.zeros(len(part), longest, dtype=torch.long)
        mask = torch.zeros(len(part), longest, dtype=torch.long)
        for row, tokens in enumerate(part):
            ids[row, :len(tokens)] = torch.tensor(tokens)
            mask[row, :len(tokens)] = 1
        result.append((ids, mask))
    return result


def torch_contestant(model, work, precision):
    import torch
    import transformers

    network = transformers.AutoModel.from_pretrained(model, dtype=getattr(torch, precision)).eval()

    def run():
        began = time.perf_counter()
        with torch.inference_mode():
            for ids, mask in work:
                hidden = network(input_ids=ids, attention_mask=mask).last_hidden_state.float()
                weight = mask.unsqueeze(-1).float()
                mean = (hidden * weight).sum(1) / weight.sum(1)
                torch.nn.functional.normalize(mean, dim=1)
        return sum(len(ids) for ids, _ in work) / (time.perf_counter() - began)

    return run


def onnx_files(model, work, folder):
    """The network as ONNX, and the same with weights quantized to int8 (activations at run time)."""
    import onnxruntime.quantization
    import torch
    import transformers

    network = transformers.AutoModel.from_pretrained(model, dtype=torch.float32, attn_implementation="eager").eval()

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, input_ids, attention_mask):
            return self.network(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    plain = os.path.join(folder, "model.onnx")
    quantized = os.path.join(folder, "model-int8.onnx")
    batch, length = torch.export.Dim("batch", min=2, max=4096), torch.export.Dim("length", min=2, max=512)
    # Its progress and its warnings say nothing that matters here.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.onnx.export(
        Hidden().eval(), tuple(work[0]), plain, input_names=["input_ids", "attention_mask"], output_names=["hidden"],
        dynamic_shapes={"input_ids": {0: batch, 1: length}, "attention_mask": {0: batch, 1: length}}, dynamo=True, verbose=False)
    onnxruntime.quantization.quantize_dynamic(plain, quantized, weight_type=onnxruntime.quantization.QuantType.QInt8)
    return plain, quantized


def onnx_contestant(file, work, threads):
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    arrays = [(ids.numpy(), mask.numpy()) for ids, mask in work]

    def run():
        began = time.perf_counter()
        for ids, mask in arrays:
            hidden, = session.run(None, {"input_ids": ids, "attention_mask": mask})
            weight = mask[:, :, None].astype(numpy.float32)
            mean = (hidden * weight).sum(1) / weight.sum(1)
            mean / numpy.linalg.norm(mean, axis=1, keepdims=True)
        return sum(len(ids) for ids, _ in arrays) / (time.perf_counter() - began)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--text", required=True, help="one sentence per line")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="where to write the figures")
    arguments = parser.parse_args()
    torch, transformers = turns.needs(["torch", "transformers"], "torch transformers")
    torch.set_num_threads(arguments.threads)

    with open(arguments.text) as file:
        sentences = [line.strip() for line in file if line.strip()][:512]
    dense = arguments.models[0]
    work = batches(dense, sentences)
    with tempfile.TemporaryDirectory() as folder:
        text = os.path.join(folder, "sentences.txt")
        with open(text, "w") as file:
            file.write("\n".join(sentences) + "\n")
        contestants = {
            "PyTorch f32": torch_contestant(dense, work, "float32"),
            "PyTorch bf16": torch_contestant(dense, work, "bfloat16"),
        }
        versions = {"torch": torch.__version__, "transformers": transformers.__version__}
        try:
            import onnx  # noqa: F401
            import onnxruntime
            import onnxscript  # noqa: F401

            plain, quantized = onnx_files(dense, work, folder)
            contestants["ONNX Runtime f32"] = onnx_contestant(plain, work, arguments.threads)
            contestants["ONNX Runtime int8"] = onnx_contestant(quantized, work, arguments.threads)
            versions["onnxruntime"] = onnxruntime.__version__
        except ImportError as problem:
            print(f"ONNX Runtime is left out: {problem} (pip install onnx onnxruntime onnxscript)")

        def ours():
            document = turns.tessera(
                "bench", "models", *arguments.models, "--text", text, "--batch", str(BATCH), "--rounds", "1",
                "--threads", str(arguments.threads))
            found = turns.rates(document, "encode")
            return {f"tessera {os.path.basename(os.path.normpath(name))}": rate for name, rate in found.items()}

        contestants["tessera"] = ours
        for name, contestant in contestants.items():
            if name != "tessera":
                contestant()  # warms up
        results = turns.take_turns(contestants, arguments.rounds)
    turns.report(
        f"encode, {len(sentences)} sentences of {os.path.basename(arguments.text)}, {arguments.threads} threads",
        "sentences/s", results, "PyTorch f32", arguments.json, {"threads": arguments.threads, "versions": versions})


if __name__ == "__main__":
    main()
