"""transformers' CLIPTokenizer: ids of awkward texts, with a small vocabulary that is learned here from
seeded words, and with the real one (`python export.py bpe_simple_vocab_16e6.txt.gz`; only ids are kept)."""

import collections, gzip, json, pathlib, random, sys

from transformers import CLIPTokenizer

FOLDER = pathlib.Path(__file__).parent
START, END = "<|startoftext|>", "<|endoftext|>"
MERGES = 160
LENGTH = 24
WORDS = """a the photo of cat dog two runs left right quickly red blue green small large toward away from
person people robot bear penguin boy rolls down hill jumps over fence café naïve 東京 привет it's don't""".split()

TEXTS = [
    "", " ", "a photo of a cat", "A PHOTO OF A CAT", "  two\tdogs\n run \r\n left  ", "Hello, world!",
    "it's we're they've I'm she'll he'd don't 's", "IT'S DON'T", "rock'n'roll ''quoted'' it\u2019s",
    "in 2026, 3.14159 and 1,000,000 at 50%", "x2 4k 8K h264", "snake_case kebab-case camelCase",
    "http://example.org/a?b=c&d=e#f", "(a:1.3), [b], {c}, <d>, \\e/ ~f~ ^g^ `h` |i|", "!!! ... ??? --- ___",
    "caf\u00e9 na\u00efve \u00c9T\u00c9 \u00fcber \u00df \u1e9e stra\u00dfe",
    "cafe\u0301 nai\u0308ve e\u0301\u0302\u0303", "\u0130stanbul \u0131\u015f\u0131k",
    "\u039f\u0394\u039f\u03a3 \u03c3\u03bf\u03c6\u03cc\u03c2", "\u041f\u0420\u0418\u0412\u0415\u0422 \u043c\u0438\u0440",
    "\u6771\u4eac\u30bf\u30ef\u30fc \u4e2d\u6587\u5b57 \ud55c\uad6d\uc5b4", "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22\u0e17\u0e35\u0e48",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629\u064f \u05e2\u05b4\u05d1\u05e8\u05b4\u05d9\u05ea",
    "\U0001f600\U0001f680 \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f \U0001f1e9\U0001f1ea",
    "\ufb01ne \uff21\uff22\uff11\uff12 x\u00b2 \u2163 \u2460 \u24b6 \u00bd \u212b \u2126",
    "a\u00a0b\u2003c\u3000d\u200be\ufefff\u00adg", "\u0000\u0001\u007f\u0085 \u2028x", "\U0001d54f\U0001d7d8",
    "&amp; &lt;b&gt;", f"{END}", f"a {START}b{END} c", "<|ENDOFTEXT|> <|endoftext| >", "'", "'s's", "\u02bcs",
    "a" * 300, "ab" * 200, " ".join(["penguin"] * 100), "1" * 100, "!" * 100, "\U0001f600" * 40,
]


def signs():
    """The sign of each byte: itself where it can be seen, else one from 256 on."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in seen]
    return {b: chr(b) for b in seen} | {b: chr(256 + i) for i, b in enumerate(rest)}


def learn(words, count):
    """Pairs in the order in which the most frequent one is merged."""
    of, found = signs(), []
    words = collections.Counter(words)
    split = {w: [of[b] for b in w.encode()] for w in words}
    for symbols in split.values():
        symbols[-1] += "</w>"
    while len(found) < count:
        pairs = collections.Counter()
        for word, symbols in split.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += words[word]
        best = max(pairs, key=lambda p: (pairs[p], p))
        found.append(best)
        for symbols in split.values():
            i = 0
            while i + 1 < len(symbols):
                if (symbols[i], symbols[i + 1]) == best:
                    symbols[i:i + 2] = ["".join(best)]
                i += 1
    return found


def vocabulary(merges):
    """Ids in the order of OpenAI's file."""
    alone = list(signs().values())
    tokens = alone + [t + "</w>" for t in alone] + ["".join(m) for m in merges] + [START, END]
    return {t: i for i, t in enumerate(tokens)}


def cases(tokenizer):
    full = [tokenizer(t)["input_ids"] for t in TEXTS]
    cut = [tokenizer(t, padding="max_length", truncation=True, max_length=LENGTH)["input_ids"] for t in TEXTS]
    return [{"text": t, "ids": f, "padded": c} for t, f, c in zip(TEXTS, full, cut)]


def write(name, value):
    (FOLDER / name).write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def main():
    chosen = random.Random(1)
    words = [w if chosen.random() < 0.9 else w.swapcase().lower() + "s" for w in chosen.choices(WORDS, k=4000)]
    merges = learn(words, MERGES)
    lines = ["#version: 0.2"] + [" ".join(m) for m in merges]
    (FOLDER / "merges.txt").write_text("\n".join(lines) + "\n")
    with open(FOLDER / "bpe.txt.gz", "wb") as out:
        out.write(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))
    write("vocab.json", vocabulary(merges))
    tokenizer = CLIPTokenizer(vocab=vocabulary(merges), merges=merges)
    tokenizer.backend_tokenizer.save(str(FOLDER / "tokenizer.json"), pretty=False)
    write("small.json", cases(tokenizer))
    if len(sys.argv) > 1:
        lines = gzip.open(sys.argv[1]).read().decode().split("\n")[1:49152 - 256 - 2 + 1]
        merges = [tuple(line.split()) for line in lines]
        write("real.json", cases(CLIPTokenizer(vocab=vocabulary(merges), merges=merges)))


main()
