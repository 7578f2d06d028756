"""Texts to vectors by a static model: texts a second, the first vector of a process, and its memory, beside model2vec.

    python benches/encode.py TEXTS [--runs 7] [--json OUT]

TEXTS is a file with a text a line, such as the SMS Spam Collection. The model is the real glove.6B.50d as model2vec has
it (`Store.save_model2vec`), lowercased; both cut texts with the same tokenizer, and their vectors are compared. Memory is
what a process has more of its own (RssAnon) after a hundred texts than after its imports; Linux only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import glove
import machine

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    import numpy as np
    from model2vec import StaticModel

    import embmap

    texts = arguments.texts.read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words, vectors = glove.arrays()
        embmap.write(folder / "glove.embmap", words, vectors)
        embmap.open(folder / "glove.embmap").save_model2vec(folder / "model", lowercase=True)
        embmap.convert(folder / "model", folder / "model.embmap")
        store, model = (
            embmap.open(folder / "model.embmap", preload=True),
            StaticModel.from_pretrained(str(folder / "model")),
        )
        ways = {
            "embmap": lambda: store.encode(texts, tokenizer=model.tokenizer),
            "model2vec": lambda: model.encode(texts, max_length=None),
            "the tokenizer alone": lambda: model.tokenizer.encode_batch_fast(texts, add_special_tokens=False),
        }
        assert np.allclose(ways["embmap"](), ways["model2vec"](), atol=1e-5)
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(arguments.runs):
            for way, work in ways.items():
                start = time.perf_counter()
                work()
                times[way].append(time.perf_counter() - start)
        found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
        for run in range(arguments.runs + 1):
            for way, (imports, make) in WAYS.items():
                command = [sys.executable, "-c", CHILD.format(imports=imports, make=make), name, str(arguments.texts)]
                out = subprocess.run(command, capture_output=True, text=True, check=True)
                if run:
                    found[way].append(json.loads(out.stdout))
    result = {}
    print(f"{'':<22}{'texts a second (min-max)':>32}{'first vector, ms':>20}{'own memory, MB':>18}")
    for way, seconds in times.items():
        rates = [len(texts) / one for one in seconds]
        first, own = (
            (statistics.median(column) for column in list(zip(*found[way], strict=True))[:2])
            if way in found
            else (0, 0)
        )
        result[way] = {"texts_per_s": rates, "first_s": first, "own_mb": own}
        spread = f"{statistics.median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"
        print(f"{way:<22}{spread:>32}{first * 1e3:>20.1f}{own:>18.1f}")
    machine.save(arguments.json, ("model2vec", "tokenizers"), ways=result)


if __name__ == "__main__":
    main()
