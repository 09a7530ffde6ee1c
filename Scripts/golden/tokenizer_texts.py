"""Texts for the tokenizer goldens: written for this project, plus strings chosen to be awkward."""
import random

PROSE = """
The old mill stood at the bend of the river, and nobody in the village could say who had built it. Its wheel had not turned
for thirty years. On quiet evenings, when the water was low, you could hear the timbers creak as if they remembered their work.
Every spring the children dared each other to climb the broken stairs; every autumn someone talked about repairing the roof.
A matrix is a table of numbers, and a table of numbers is a map from one space to another. If most of the map can be described
by a few directions, then most of the numbers are not needed. That is the whole trick, and it is surprising how often it works.
She didn't answer at once. "I'll think about it," she said, "but you've no idea what you're asking, and we'd better not hurry."
In 1987 the town had 12,450 inhabitants; by 2024 there were 38,917 of them. The budget grew from 3.5 to 41.25 million.
Compress the layers, measure the error, keep what matters: the loss on new text, the time per token, and the size on disk.
Training takes days, loading takes seconds, and reading the result takes a moment. Test early, test often, and write it down.
Rain fell on the roofs, on the market square and on the empty benches. The baker's daughter was counting coins: one, two, three.
""".strip()

MIXED = [
    "", " ", "  ", "\n", "\t", "a", " a", "a ", "  a  b  ", "Hello, world!", "hello   world", "HELLO WORLD Hello",
    "don't I'll you've we're he'd I'm it's DON'T I'LL YOU'VE WE'RE HE'D I'M IT'S", "'s't're've'm'll'd", "'S'T'RE'vE'm'Ll'D", "'\u017f '\u017ft",
    "rock'n'roll 'tis o'clock '' ''' 'x' ' s", "x'sy 's' 're", "1 12 123 1234 12345 123456 1234567890123", "3.14159 -2e10 0x7f 1,000,000 50%",
    "a1b22c333d4444", "\u0661\u0662\u0663\u0664\u0665 \u00bd\u00b2\u2167 \u216b\u2460 \u0967\u0968\u0969\u096a", "  \n\n  \n x  ", "a\n\n\nb\r\nc\rd", "a \n b\t\n\tc", "\r\n\r\n",
    "!!!\r\n\r\n x", "...\n\n...", "a\u00a0b\u2003c\u3000d\u200be\u2028f\u2029g\u0085h\u180ei\ufeffj", "\u00a0\u00a0a", "\u2003 \u2003b", "tab\tseparated\tvalues\t",
    "na\u00efve caf\u00e9 \u00dcn\u00efc\u00f6d\u00e9", "nai\u0308ve cafe\u0301", "\u00c5ngstr\u00f6m \u212bngstr\u00f6m A\u030angstro\u0308m", "\u1e9b\u0323 \u1e9b\u0323", "q\u0307\u0323 q\u0323\u0307 a\u0315\u0300\u05ae\u0301b", "a\u0315\u0300\u05ae\u0300\u0315b",
    "\u00df \u1e9e \u0130 i\u0307 \u0131 I \u03a3 \u03c3\u03c2 \u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3", "\ufb01\ufb02 \ufb03 \ufb04 \ufb06 \u01c4 \u01c5 \u01c6 \u0149", "\uff21\uff22\uff23 \uff11\uff12\uff13 \uff76\uff9e", "\u2460\u2461 \u33a5 \u2122 \u210c \u1d400\u1d7d8 \U0001d400\U0001d7d8",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002", "\u65e5\u672c\u8a9e\u3068\u30ab\u30bf\u30ab\u30ca\u3068\u3072\u3089\u304c\u306a", "\u304b\u3099 \u304c \u30cf\u309a", "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab \u3131", "mix\u4e2d\u6587and\u82f1\u6587text", "\U00020000\U0002a6df\U0002b740\U0002f800\U00030000",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd", "\u0939\u093f\u0928\u094d\u0926\u0940 \u0915\u094d\u0937", "\u0e44\u0e17\u0e22\u0e20\u0e32\u0e29\u0e32", "\u1781\u17d2\u1798\u17c2\u179a", "\u0c24\u0c46\u0c32\u0c41\u0c17\u0c41", "\u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8 \u1ca5\u1c90\u1cb0",
    "\u202eright to left\u202c \u2066x\u2069 \u200fy\u200e", "\U0001f600\U0001f602\U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", "1\ufe0f\u20e3 \u2764\ufe0f \u2600", "a\u20dd b\u20e3",
    "\x00a\x01b\x1fc\x7fd\x80e\x9ff", "a\ufffdb\ufffcc\ufffed", "\ue000\uf8ff\U000f0000\U0010ffff", "\ufdd0\U0001ffff", "\u0378\u0379\U000e0001\U000e0100", "zalgo z\u0351\u036b\u0343\u036a\u0302a\u033d\u0352l\u0359\u0316g\u0338\u0315o\u0321\u0353",
    "x" * 99, "x" * 100, "x" * 101, "\u00e9" * 100, "\u00e9" * 101, "ab" * 200, "the" * 60, " " * 70, "\n" * 40, "!" * 90, "7" * 77, "-=" * 50, "\U0001f600" * 30,
    "def f(x):\n    return x**2 + 1  # square\n\n\nprint(f(3))\n", "if (a != b && c <= d) { x[i]->y = \"z\\n\"; }", "https://example.org/a?b=c&d=%20e#f", "user@example.com", "C:\\path\\to\\file", "<html><b>bold</b></html>",
    "$100 \u20ac50 \u00a35 \u00a52 \u20bf1", "\u201cquotes\u201d \u2018single\u2019 \u00abguillemets\u00bb \u2014 dash \u2013 \u2026 \u00bf\u00a1", "\u00b0C \u00b1 \u00d7 \u00f7 \u2248 \u2211 \u222b \u221e", "snake_case camelCase kebab-case SCREAMING_CASE", "e.g. i.e. etc. U.S.A. Dr. Smith's", "(a)[b]{c}<d>", "a/b\\c|d", "^`~@#&*", "a'b`c\u00b4d",
    "do not . ? ! , n't 'm 's 've 're ' x", "I do not know , she said . Really ? Yes ! it ' s", "[CLS] a [SEP] b [MASK] [UNK] [PAD] [cls]", "<|bos|>hi<|eos|><|eos|> x<|bos|", "<|begin_of_text|>a<|end_of_text|> b <|begin_of_text|", "\u2581a \u2581\u2581b", "<0x41><0xC3>", "\u0120the \u010a", "##ing a##b # ##",
]

FRAGMENTS = [
    "the", " mill", "River", " of", "matrix", "'s", "'LL", " ", "  ", "\n", "\t", "\r\n", "1", "42", "2024", ".", ",", "!?", "\u00e9", "e\u0301", "\u00df", "\u4e2d", "\u6587", "\u304b\u3099",
    "\U0001f600", "\u200d", "\ufe0f", "\u0300", "\u0323", "\u00a0", "\u3000", "\u200b", "\u05d0", "\u0627", "\u093f", "\u00bd", "\u0130", "\u03a3", "_", "-", "(", ")", "\"", "\u2014", "\x00", "\x7f", "[SEP]", "<|eos|>", "<|end_of_text|>",
    "[m]", " <one> ", "word", "Word", "ORD", "\U0001d400", "\uac00", "\u1112\u1161\u11ab", "\ufb01", "\u212b", "zz",
]

def random_texts(count, seed):
    generator = random.Random(seed)
    return ["".join(generator.choice(FRAGMENTS) for _ in range(generator.randint(1, 14))) for _ in range(count)]

def sweep_ranges():
    """(first, past the last, step): whole blocks where scripts are varied, every 61st scalar of everything."""
    dense = [(0, 0x3400), (0xA000, 0xAC00), (0xD7B0, 0xD800), (0xF900, 0x10000), (0x10000, 0x12000), (0x12400, 0x12600), (0x13400, 0x13480),
             (0x14400, 0x14680), (0x16000, 0x17000), (0x18B00, 0x18E00), (0x1AF00, 0x1B300), (0x1BC00, 0x1BD00), (0x1CC00, 0x1DB00), (0x1DF00, 0x1FC00), (0xE0000, 0xE0200)]
    return [(a, b, 1) for a, b in dense] + [(0, 0x110000, 61)]

def sweep_texts():
    """One text for each run of 128 scalars of a range."""
    for first, end, step in sweep_ranges():
        scalars = [u for u in range(first, end, step) if not 0xD800 <= u < 0xE000]
        for i in range(0, len(scalars), 128):
            yield "".join(f"a{chr(u)}b {chr(u)}1{chr(u)}\n" for u in scalars[i:i + 128])
