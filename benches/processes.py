"""Readers of one store: how soon each answers, and how much memory they take together.

    python benches/processes.py STORE [--readers 1 8] [--words 100000]

Each reader is a process of its own that opens the store, looks words up, and reads the whole matrix once. The time is from
the call of `embmap.open` to the rows of the first ten words. Memory is the proportional set size (PSS) of the store's
pages, which counts a page that n processes have as 1/n in each, added up over the readers. Linux only.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import embmap

_together: Any = None


def begin(barrier: Any) -> None:
    global _together
    _together = barrier


def read(path: str, words: int) -> tuple[float, float, float]:
    """Give milliseconds to the first rows, and the megabytes of the store's pages: proportional, resident."""
    _together.wait(120)
    start = time.perf_counter()
    store = embmap.open(path)
    store.lookup([store.word(i) for i in range(min(10, len(store)))])
    first = (time.perf_counter() - start) * 1e3
    ids = np.random.default_rng(0).integers(0, len(store), words)
    found = store.indices([store.word(int(i)) for i in ids])
    assert (found == ids).all()
    store.vectors.sum(dtype=np.float64)
    _together.wait(120)
    sizes, here = {"Pss": 0, "Rss": 0}, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name = line.split(":")[0]
        if "-" in line.split()[0] and ":" not in line.split()[0]:
            here = line.endswith(path)
        elif here and name in sizes:
            sizes[name] += int(line.split()[1])
    _together.wait(120)
    return first, sizes["Pss"] / 1024, sizes["Rss"] / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--readers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--words", type=int, default=100_000)
    arguments = parser.parse_args()
    path = str(arguments.store.resolve())
    size = Path(path).stat().st_size / 2**20
    print(f"{'readers':>8}{'file MB':>9}{'first rows, ms (max)':>22}{'resident, each MB':>19}{'together MB':>13}")
    context = multiprocessing.get_context("spawn")
    for readers in arguments.readers:
        barrier = context.Barrier(readers)
        with context.Pool(readers, begin, (barrier,)) as pool:
            found = pool.starmap(read, [(path, arguments.words)] * readers, chunksize=1)
        firsts, shares, resident = zip(*found, strict=True)
        spread = f"{statistics.median(firsts):.2f} ({max(firsts):.2f})"
        print(
            f"{readers:>8}{size:>9.0f}{spread:>22}{statistics.median(resident):>19.0f}{sum(shares):>13.0f}", flush=True
        )


if __name__ == "__main__":
    main()
