"""Words to rows: `store.indices` beside a dict and beside joins, many words at a time and one word at a time.

    python benches/lookup.py STORE [--words 1000000] [--runs 5]

The dict is what the tutorials' loaders, torchtext's stoi and gensim's key_to_index are. Queries are drawn from the store's
words: uniformly as fresh strings, as a tokenizer makes them; by Zipf's law over shared objects, as a tokenised text has;
and with a tenth or nine tenths that the store does not have. Runs in turn, medians; every answer must be the dict's. Fresh
strings are made anew for each run, for all.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import random
import statistics
import tempfile
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
    print(f"{'':<28}{'dict':>20}{'embmap':>20}{'dict / embmap':>16}")
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
    columns(store, words, rows, n, arguments.runs, rng)
    theirs, ours, gensims = [], [], []
    get_index = gensim_index(store)
    for turn in range(arguments.runs + 1):
        some = uniform(words, n // 10, rng)
        again, once_more = fresh(some), fresh(some)
        dict_seconds, expected = timed(lambda some=some: [rows[word] for word in some])
        seconds, found = timed(lambda again=again, index=store.index: [index(word) for word in again])
        assert found == expected
        gensim_seconds, found = timed(lambda words=once_more: [get_index(word) for word in words])
        assert found == expected
        if turn:
            theirs.append(dict_seconds / len(some) * 1e9)
            ours.append(seconds / len(some) * 1e9)
            gensims.append(gensim_seconds / len(some) * 1e9)
    show("one at a time, fresh", theirs, ours)
    show("  gensim's get_index", gensims, ours)


def columns(store: embmap.Store, words: list[str], rows: dict[str, int], n: int, runs: int, rng: random.Random) -> None:
    """Columns of words: a dict over the list, and libraries of tables, against the column as it is."""
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    table = pl.DataFrame({"word": words, "row": np.arange(len(words))})
    index = pd.Index(words)
    database = lmdb_of(rows)
    times: dict[str, list[float]] = {}
    for turn in range(runs + 1):
        queries = uniform(words, n, rng)
        again = fresh(queries)
        column, series, array = pa.array(queries), pl.Series("word", queries), np.array(queries)
        work = {
            "dict": lambda q=queries: [rows.get(word, -1) for word in q],
            "polars join": lambda q=series: q.to_frame().join(table, "word", "left", maintain_order="left")["row"],
            "pandas get_indexer": lambda q=again: index.get_indexer(q),
            "Arrow string": lambda q=column: store.indices(q),
            "Arrow string_view (polars)": lambda q=series: store.indices(q),
            "NumPy U": lambda q=array: store.indices(q),
        }
        if database is not None:
            work["LMDB"] = lambda q=queries[: n // 10]: [database(word) for word in q]
        expected = None
        for name, look_up in work.items():
            seconds, found = timed(look_up)
            found = np.asarray(found)
            expected = found if expected is None else expected
            assert np.array_equal(found, expected[: len(found)]), name
            if turn:
                times.setdefault(name, []).append(seconds / len(found) * 1e9)
    base = times["dict"]
    print("\ncolumns, fresh (ns a word, dict / each)")
    for name, each in times.items():
        show(name, base, each)
    print()


def lmdb_of(rows: dict[str, int]) -> Callable[[str], int] | None:
    """Give a look-up in a database of words and rows, as projects that outgrew a dict have; None without the package."""
    if not importlib.util.find_spec("lmdb"):
        return None
    import lmdb

    environment = lmdb.open(tempfile.mkdtemp(), map_size=1 << 30, sync=False)
    with environment.begin(write=True) as transaction:
        for word, row in rows.items():
            transaction.put(word.encode()[:500], row.to_bytes(4, "little"))
    reading = environment.begin(buffers=True)
    return lambda word: int.from_bytes(reading.get(word.encode()[:500]), "little")


def gensim_index(store: embmap.Store) -> Callable[[str], int]:
    from gensim.models import KeyedVectors

    peer = KeyedVectors(1)
    peer.add_vectors(list(store), np.zeros((len(store), 1), np.float32))
    return peer.get_index


def show(name: str, theirs: list[float], ours: list[float]) -> None:
    cells = [f"{statistics.median(x):.0f} ({min(x):.0f}-{max(x):.0f})" for x in (theirs, ours)]
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(f"{name:<28}{cells[0]:>20}{cells[1]:>20}{ratio:>16.1f}", flush=True)


if __name__ == "__main__":
    main()
