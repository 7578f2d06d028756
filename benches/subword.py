"""Vectors of unseen words: `store.lookup(words, oov="subword")` beside gensim and fastText's own binding, word by word.

    pip install gensim fasttext-wheel
    python benches/subword.py [--vocabulary FOLDER] [--words 100000] [--dim 100] [--buckets 2000000] [--runs 5]

A model of fastText's default shape (n-grams of 3 to 6 characters, two million buckets) with random numbers is written to a
temporary folder: what finding and adding rows takes does not depend on their values. All three then give the vectors of the
same words, none of which the model has, as one matrix. Fresh strings for each run, runs in turn, medians; ours must be the
binding's vectors bit for bit, and gensim's to 1e-6.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import itertools
import logging
import os
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, headline
from make_text import vocabulary

import embmap

KNOWN = 20_000
MAGIC, VERSION, SKIPGRAM, NEGATIVE_SAMPLING = 793712314, 12, 2, 2


def write_model(path: Path, words: list[str], buckets: int, dim: int, minn: int, maxn: int) -> None:
    """Write a model as fastText does: arguments, dictionary, input matrix, output matrix."""
    rng = np.random.default_rng(1)
    with path.open("wb") as file:
        file.write(struct.pack("<2i", MAGIC, VERSION))
        arguments = (dim, 5, 5, 5, 5, 1, NEGATIVE_SAMPLING, SKIPGRAM, buckets, minn, maxn, 100)
        file.write(struct.pack("<12id", *arguments, 1e-4))
        file.write(struct.pack("<3i2q", len(words), len(words), 0, 10**9, -1))
        file.writelines(word.encode() + b"\0" + struct.pack("<qb", 10, 0) for word in words)
        for rows in (len(words) + buckets, len(words)):
            file.write(struct.pack("<?2q", False, rows, dim))
            for first in range(0, rows, 20_000):
                count = min(20_000, rows - first)
                file.write(rng.standard_normal((count, dim), np.float32).tobytes())


def embmaps(path: Path, folder: Path) -> Callable[[list[str]], np.ndarray]:
    start = time.perf_counter()
    embmap.convert(path, folder / "model.embmap")
    print(f"embmap.convert: {time.perf_counter() - start:.1f} s", flush=True)
    store = embmap.open(folder / "model.embmap", preload=True)
    return lambda words: store.lookup(words, oov="subword")


def gensims(path: Path, folder: Path) -> Callable[[list[str]], np.ndarray]:
    logging.getLogger("gensim").setLevel(logging.ERROR)
    start = time.perf_counter()
    vectors = importlib.import_module("gensim.models.fasttext").load_facebook_vectors(str(path))
    print(f"gensim's load_facebook_vectors: {time.perf_counter() - start:.1f} s", flush=True)
    return word_by_word(vectors.get_vector, vectors.vector_size)


def fasttexts(path: Path, folder: Path) -> Callable[[list[str]], np.ndarray]:
    module = importlib.import_module("fasttext")
    module.FastText.eprint = lambda *_: None
    start = time.perf_counter()
    model = module.load_model(str(path))
    print(f"fasttext.load_model: {time.perf_counter() - start:.1f} s", flush=True)
    return word_by_word(model.get_word_vector, model.get_dimension())


def word_by_word(vector_of: Callable[[str], np.ndarray], dim: int) -> Callable[[list[str]], np.ndarray]:
    def vectors(words: list[str]) -> np.ndarray:
        out = np.empty((len(words), dim), np.float32)
        for i, word in enumerate(words):
            out[i] = vector_of(word)
        return out

    return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=Path, help="a folder of files vocabulary_*.txt, one word a line")
    parser.add_argument("--words", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--buckets", type=int, default=2_000_000)
    parser.add_argument("--minn", type=int, default=3)
    parser.add_argument("--maxn", type=int, default=6)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the model is written; a temporary folder by default")
    arguments = parser.parse_args()
    words = list(vocabulary(arguments.vocabulary, KNOWN + arguments.words))
    known, unseen = words[:KNOWN], words[KNOWN:]
    machine = describe(("gensim", "fasttext-wheel"))
    print(headline(machine), machine["versions"], flush=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        path = folder / "model.bin"
        write_model(path, known, arguments.buckets, arguments.dim, arguments.minn, arguments.maxn)
        compare(path, folder, unseen, arguments)


def compare(path: Path, folder: Path, unseen: list[str], arguments: Any) -> None:
    ways: dict[str, Callable[[list[str]], np.ndarray]] = {}
    for name, load in (("embmap", embmaps), ("gensim", gensims), ("fasttext", fasttexts)):
        try:
            ways[name] = load(path, folder)
        except ImportError as error:
            print(f"without {name}: {error}", file=sys.stderr)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    gc.freeze()
    for turn in range(arguments.runs + 1):
        found = {}
        for name, vectors in ways.items():
            fresh = [(word + " ")[:-1] for word in unseen]
            gc.collect()
            start = time.perf_counter()
            found[name] = vectors(fresh)
            if turn:
                seconds[name].append(time.perf_counter() - start)
        for name, theirs in found.items():
            np.testing.assert_allclose(found["embmap"], theirs, rtol=0, atol=0 if name == "fasttext" else 1e-6)
    ngrams = f"n-grams of {arguments.minn} to {arguments.maxn} in {arguments.buckets:,} buckets of {arguments.dim}"
    characters = statistics.mean(map(len, itertools.islice(unseen, 10_000)))
    print(
        f"\n{len(unseen):,} words of {characters:.1f} characters, {ngrams}; {os.cpu_count()} cores, {arguments.runs} runs\n"
    )
    ours = statistics.median(seconds["embmap"])
    print(f"{'':<12}{'s: median (min-max)':>24}{'µs a word':>12}{'× embmap':>10}")
    for name, runs in seconds.items():
        median = statistics.median(runs)
        cell = f"{median:.3f} ({min(runs):.3f}-{max(runs):.3f})"
        print(f"{name:<12}{cell:>24}{median / len(unseen) * 1e6:>12.2f}{median / ours:>10.1f}")


if __name__ == "__main__":
    main()
