"""Words to rows: `store.indices` beside a dict, one list of words at a time and one word at a time.

    python benches/lookup.py STORE [--words 1000000] [--runs 5]

Queries are drawn from the store's words: uniformly as fresh strings, as a tokenizer makes them; by Zipf's law over shared
objects, as a tokenised text holds them; and with a tenth or nine tenths that the store does not have. Runs in turn, medians;
every answer must be the dict's. Fresh strings are made anew for each run, for both.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import embmap


def fresh(words: list[str]) -> list[str]:
    """Give strings that nobody has hashed or interned."""
    return [(word + " ")[:-1] for word in words]


def uniform(words: list[str], n: int, rng: random.Random) -> list[str]:
    return fresh(rng.choices(words, k=n))


def zipf(words: list[str], n: int, rng: random.Random) -> list[str]:
    rows = np.random.default_rng(rng.randrange(2**32)).zipf(1.1, 2 * n)
    return [words[row - 1] for row in rows[rows <= len(words)][:n].tolist()]


def unknown(share: float) -> Callable[[list[str], int, random.Random], list[str]]:
    def draw(words: list[str], n: int, rng: random.Random) -> list[str]:
        return [word + "?!" if rng.random() < share else word for word in uniform(words, n, rng)]

    return draw


QUERIES = {
    "uniform, fresh": uniform,
    "Zipf, shared": zipf,
    "10 % unknown, fresh": unknown(0.1),
    "90 % unknown, fresh": unknown(0.9),
}


def timed(work: Callable[[], object]) -> tuple[float, object]:
    gc.collect()
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--words", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    store = embmap.open(arguments.store, preload=True)
    words = list(store)
    rows = {word: row for row, word in enumerate(words)}
    rng = random.Random(1)
    gc.freeze()
    n = arguments.words
    print(
        f"{n:,} of {len(words):,} words, {os.cpu_count()} cores, {arguments.runs} runs; ns a word: median (min-max)\n"
    )
    print(f"{'':<24}{'dict':>20}{'embmap':>20}{'dict / embmap':>16}")
    for name, draw in QUERIES.items():
        theirs, ours = [], []
        for turn in range(arguments.runs + 1):
            queries = draw(words, n, rng)
            again = queries if name.startswith("Zipf") else fresh(queries)
            dict_seconds, expected = timed(lambda queries=queries: [rows.get(word, -1) for word in queries])
            seconds, found = timed(lambda again=again: store.indices(again))
            assert found.tolist() == expected
            if turn:
                theirs.append(dict_seconds / n * 1e9)
                ours.append(seconds / n * 1e9)
        show(name, theirs, ours)
    theirs, ours = [], []
    for turn in range(arguments.runs + 1):
        some = uniform(words, n // 10, rng)
        again = fresh(some)
        dict_seconds, expected = timed(lambda some=some: [rows[word] for word in some])
        seconds, found = timed(lambda again=again, index=store.index: [index(word) for word in again])
        assert found == expected
        if turn:
            theirs.append(dict_seconds / len(some) * 1e9)
            ours.append(seconds / len(some) * 1e9)
    show("one at a time, fresh", theirs, ours)


def show(name: str, theirs: list[float], ours: list[float]) -> None:
    cells = [f"{statistics.median(x):.0f} ({min(x):.0f}-{max(x):.0f})" for x in (theirs, ours)]
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(f"{name:<24}{cells[0]:>20}{cells[1]:>20}{ratio:>16.1f}", flush=True)


if __name__ == "__main__":
    main()
