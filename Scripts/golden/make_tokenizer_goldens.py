"""Makes the tokenizer files and goldens under Tests/ModelFilesTests/Resources/tokenizers with the PyPI package `tokenizers`.

    pip install tokenizers==0.23.3
    python Scripts/golden/make_tokenizer_goldens.py [FOLDER OF all-MiniLM-L6-v2]

Each golden file names the tokenizer file it is about, the members of that file that are replaced, the ids of mixed texts, and for
the sweep over Unicode one digest (64-bit FNV-1a over the ids, each as 4 little-endian bytes) for each text of `sweep_texts`.
"""
import json
import os
import sys
import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizer_texts import MIXED, PROSE, random_texts, sweep_ranges, sweep_texts

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
OUT = os.path.join(ROOT, "Tests", "ModelFilesTests", "Resources", "tokenizers")
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def added(content, identifier, **flags):
    token = dict(id=identifier, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    token.update(flags)
    return token


def split(pattern, **changes):
    step = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    step.update(changes)
    return {"type": "Sequence", "pretokenizers": [step, dict(BYTE_LEVEL, use_regex=False)]}


def train(model, trainer, normalizer=None, pre_tokenizer=None):
    tokenizer = Tokenizer(model)
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer or tokenizer.normalizer, pre_tokenizer or tokenizer.pre_tokenizer
    tokenizer.train_from_iterator(PROSE.split("\n"), trainer)
    return json.loads(tokenizer.to_str())


def word_piece():
    trainer = trainers.WordPieceTrainer(
        vocab_size=420, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        initial_alphabet=list("\u4e2d\u00df\u0131\u03c3\U0001f600\u2014"))
    file = train(models.WordPiece(unk_token="[UNK]"), trainer, normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer())
    file["decoder"] = {"type": "WordPiece", "prefix": "##", "cleanup": True}
    piece = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    special = {name: {"id": name, "ids": [i], "tokens": [name]} for i, name in ((2, "[CLS]"), (3, "[SEP]"))}
    file["post_processor"] = {
        "type": "TemplateProcessing", "single": [piece("[CLS]"), text, piece("[SEP]")],
        "pair": [piece("[CLS]"), text, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": special}
    return file


def llama3():
    trainer = trainers.BpeTrainer(vocab_size=520, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    pre = pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    file = train(models.BPE(), trainer, pre_tokenizer=pre)
    vocabulary = file["model"]["vocab"]
    # Words that no merge leads to: only `ignore_merges` finds them.
    for word in ("\u0120wonderful", "123", "'ll", "\u0120\u00e4\u00b8\u0143"):
        vocabulary.setdefault(word, len(vocabulary))
    file["model"]["ignore_merges"] = True
    first = len(vocabulary)
    file["added_tokens"] = [added("<|begin_of_text|>", first, special=True), added("<|end_of_text|>", first + 1, special=True)]
    file["decoder"] = BYTE_LEVEL
    file["post_processor"] = {"type": "Sequence", "processors": [BYTE_LEVEL, {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|begin_of_text|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|begin_of_text|>": {"id": "<|begin_of_text|>", "ids": [first], "tokens": ["<|begin_of_text|>"]}}}]}
    return file


def characters():
    """Byte-pair encoding over characters with byte tokens, as in Llama 2."""
    trainer = trainers.BpeTrainer(vocab_size=420, show_progress=False, special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)])
    file = train(models.BPE(unk_token="<unk>"), trainer, normalizer=normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]))
    file["added_tokens"] = file["added_tokens"][:3]
    file["model"].update(byte_fallback=True, fuse_unk=True)
    file["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    file["post_processor"] = {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]}
    return file


def byte_tokens():
    """Every byte a token and no merges: the ids are the bytes of the normalized text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return json.loads(tokenizer.to_str())


def digest(ids):
    value = 0xCBF29CE484222325
    for i in ids:
        for byte in i.to_bytes(4, "little"):
            value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def apply_changes(file, changes):
    file = json.loads(json.dumps(file))
    for path, value in changes.items():
        *parents, last = path.split("/")
        target = file
        for name in parents:
            target = target[name]
        target[last] = value
    return file


def golden(name, source, file, changes=None, texts=MIXED, sweep=True, special=True):
    changes = changes or {}
    changed = apply_changes(file, changes)
    changed["truncation"] = changed["padding"] = None
    tokenizer = Tokenizer.from_str(json.dumps(changed))
    cases = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=special).ids
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids), "decoded_with_special": tokenizer.decode(ids, skip_special_tokens=False)})
        if cases[-1]["decoded"] == cases[-1]["decoded_with_special"]:
            del cases[-1]["decoded_with_special"]
        if cases[-1]["decoded"] == text:
            del cases[-1]["decoded"]
    result = {"tokenizer": source, "changes": changes, "add_special_tokens": special, "vocabulary_size": tokenizer.get_vocab_size(), "cases": cases}
    if sweep:
        result["sweep"] = [digest(tokenizer.encode(text, add_special_tokens=False).ids) for text in sweep_texts()]
    write("golden-" + name, result)


def write(name, value):
    with open(os.path.join(OUT, name + ".json"), "w", encoding="utf-8") as out:
        json.dump(value, out, ensure_ascii=False, separators=(",", ":"))
        out.write("\n")


def main():
    os.makedirs(OUT, exist_ok=True)
    # Training breaks ties by chance, so a tokenizer that is there is kept: delete its file to train it anew.
    files = {}
    for name, make in (("wordpiece", word_piece), ("llama3", llama3), ("characters", characters), ("bytes", byte_tokens)):
        if not os.path.exists(os.path.join(OUT, name + ".json")):
            write(name, make())
        with open(os.path.join(OUT, name + ".json"), encoding="utf-8") as source:
            files[name] = json.load(source)
    write("sweep", {"made_with": "tokenizers " + tokenizers.__version__, "ranges": sweep_ranges(), "run": 128})
    rare, many = MIXED, MIXED + random_texts(150, 1)

    golden("wordpiece", "wordpiece", files["wordpiece"], texts=many)
    golden("wordpiece-cased", "wordpiece", files["wordpiece"], {"normalizer/lowercase": False, "decoder/cleanup": False}, sweep=False)
    golden("wordpiece-accents", "wordpiece", files["wordpiece"], {"normalizer/strip_accents": False, "normalizer/handle_chinese_chars": False, "model/max_input_chars_per_word": 20}, sweep=False)
    golden("wordpiece-uncleaned", "wordpiece", files["wordpiece"], {"normalizer/clean_text": False, "normalizer/strip_accents": True, "normalizer/lowercase": False}, sweep=False)

    with open(os.path.join(ROOT, "Models", "tiny-llama", "tokenizer.json"), encoding="utf-8") as source:
        golden("tiny-llama", "tiny-llama", json.load(source), texts=many)

    golden("llama3", "llama3", files["llama3"], texts=many)
    golden("llama3-merges", "llama3", files["llama3"], {"model/ignore_merges": False, "model/merges": [" ".join(m) for m in files["llama3"]["model"]["merges"]], "pre_tokenizer": split(CL100K)}, sweep=False)
    golden("llama3-digits", "llama3", files["llama3"], {"pre_tokenizer": split(QWEN2, behavior="Removed", invert=True), "normalizer": {"type": "NFC"}}, sweep=False)

    for name, individual in (("llama3-individual", True), ("llama3-numbers", False)):
        golden(name, "llama3", files["llama3"], {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": individual}, BYTE_LEVEL]}}, sweep=individual)

    golden("characters", "characters", files["characters"], texts=many, sweep=False)
    golden("characters-unknown", "characters", files["characters"], {"model/byte_fallback": False, "model/fuse_unk": False, "post_processor": None}, sweep=False)
    golden("characters-fused", "characters", files["characters"], {"model/byte_fallback": False, "decoder": None}, sweep=False)

    for scheme, pieces in (("always", True), ("first", True), ("never", True), ("first", False)):
        metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": pieces}
        golden(f"characters-metaspace-{scheme}" + ("" if pieces else "-whole"), "characters", files["characters"], {
            "normalizer": None, "pre_tokenizer": metaspace, "added_tokens": files["characters"]["added_tokens"] + [added("word", len(files["characters"]["model"]["vocab"]))]},
            texts=MIXED + ["wordword a word b word", " word", "\u2581word \u2581 x", "<s> a<s>b"], sweep=False)

    for form in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"):
        golden("bytes-" + form.lower(), "bytes", files["bytes"], {"normalizer": {"type": form}}, sweep=True, texts=random_texts(60, 2) if form.startswith("N") else rare[:40])
    golden("bytes-strip", "bytes", files["bytes"], {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Replace", "pattern": {"String": "aa"}, "content": "b"}]}}, texts=["  x  ", "\u3000\u00a0aaa aaaa\t\n", "   ", "", "\u200b x \u0085"], sweep=False)

    flags = [
        added("[m]", 256), added("<one>", 257, lstrip=True, rstrip=True), added("word", 258, single_word=True), added("zz", 259, lstrip=True),
        added("zzz", 260, rstrip=True), added("Caf\u00e9", 261, normalized=True), added("<s>", 262, special=True), added("MASK", 263, special=True, normalized=True, lstrip=True),
        added("Stra\u00dfe", 264, single_word=True, normalized=True),
    ]
    texts = random_texts(200, 3) + MIXED + [
        "word words sword word, _word word_ word\u0301 \u0301word word\u200d -word- word", "<one><one> <one>  <one>", "a  <one>  b", "zz zzz zzzz zzzzz zzzzzz", "  zz  zzz  ",
        "Caf\u00e9 caf\u00e9 CAF\u00c9 Cafe\u0301", "<s>x<s> <s>", "mask MASK  Mask", "Stra\u00dfe stra\u00dfe STRA\u1e9eE Stra\u00dfen (stra\u00dfe)", "[m][m]x[m", "<one", "word", "wordword", "word\u00b2 word\u0663 word\u4e2d",
    ]
    golden("bytes-added", "bytes", files["bytes"], {"added_tokens": flags, "normalizer": {"type": "Lowercase"}}, texts=texts, sweep=False)
    golden("bytes-added-prefix", "bytes", files["bytes"], {
        "added_tokens": flags, "pre_tokenizer": dict(BYTE_LEVEL, add_prefix_space=True),
        "post_processor": {"type": "RobertaProcessing", "sep": ["MASK", 263], "cls": ["<s>", 262], "trim_offsets": True, "add_prefix_space": False}}, texts=texts[:120], sweep=False)

    if len(sys.argv) > 1:
        with open(os.path.join(sys.argv[1], "tokenizer.json"), encoding="utf-8") as source:
            golden("minilm", "minilm", json.load(source), texts=many)


main()
