"""transformers' BertTokenizer with a small vocabulary, in which special tokens have their public ids: ids of texts,
and texts of ids."""

import json, pathlib, tempfile

from transformers import BertTokenizer

FOLDER = pathlib.Path(__file__).parent
PIECES = ("the a red black car cars dog on left right street of man wear ##ing ##s ##ed ##er un ##able play skate ##board ' s t "
          "- , ! ( ) 2 ##0 ##2 ##6 x cafe naive 中 国 don € e ##e ##a ##x").split()
TEXTS = ["red car. black car.", "The RED Car, the blackest CARS!", "a man wearing skateboards on the street.",
         "unplayable", "don't - the dog's (2026)", "Café naïve CAFÉ", "中国 car中", "  \t red\ncar  ", "", "?.!",
         "red\u200b car\u0007", "x" * 101 + " x", "a [SEP] car [MASK].", "the\u00a0dog", "€ 202 ¿dog", "İ ſ",
         "is there a dog? a car."]


def main():
    words = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
    words |= {200 + i: piece for i, piece in enumerate(PIECES)}
    lines = [words.get(i, f"[unused{i}]") for i in range(1030)]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "vocab.txt"
        path.write_text("\n".join(lines) + "\n")
        tokenizer = BertTokenizer.from_pretrained(folder, do_lower_case=True)
        tokenizer.save_pretrained(folder)
        saved = json.loads((pathlib.Path(folder) / "tokenizer.json").read_text())
    ids = [tokenizer(text)["input_ids"] for text in TEXTS]
    rows = [{"text": t, "ids": i, "decoded": tokenizer.decode(i)} for t, i in zip(TEXTS, ids)]
    # Only what is not the name of its id.
    known = {p: i for p, i in saved["model"]["vocab"].items() if not p.startswith("[unused")}
    saved["model"]["vocab"] = known
    (FOLDER / "tokenizer.json").write_text(json.dumps(saved, ensure_ascii=False, indent=1) + "\n")
    (FOLDER / "texts.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    print(len(rows), "texts", len(known), "pieces")
    for row in rows:
        print(row)


main()
