"""Embeds lines of standard input with Hugging Face transformers: mean pooling, length 1; one JSON array per line."""
import json
import sys

import torch
from transformers import AutoModel, AutoTokenizer

folder = sys.argv[1]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
for line in sys.stdin.read().splitlines():
    tokens = tokenizer(line, return_tensors="pt", truncation=True, max_length=256)
    with torch.no_grad():
        hidden = model(**tokens).last_hidden_state[0]
    print(json.dumps(torch.nn.functional.normalize(hidden.mean(0), dim=0).tolist()))
