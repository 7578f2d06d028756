"""Rows by id: `store.take` beside NumPy, PyTorch and memcpy; a task's matrix beside the tutorials' loop and gensim.

    python benches/gather.py STORE [--rows 100000] [--runs 9]

All use the same number of threads, warm; runs in turn, medians, every answer compared. Peers hold the vectors in memory.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import embmap

Work = Callable[[], np.ndarray]


def into_out(store: embmap.Store, ids: np.ndarray) -> dict[str, Work]:
    """Rows into memory that is there."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    ours, theirs, copy = (np.zeros((len(ids), store.dim), np.float32) for _ in range(3))
    rows = np.array(store.vectors)
    rows_tensor, ids_tensor, out_tensor = torch.from_numpy(rows), torch.from_numpy(ids), torch.from_numpy(theirs)
    picked = rows[ids]

    def memcpy() -> np.ndarray:
        np.copyto(copy, picked)
        return copy

    return {
        "embmap": lambda: store.take(ids, out=ours),
        "torch.index_select": lambda: torch.index_select(rows_tensor, 0, ids_tensor, out=out_tensor).numpy(),
        "numpy.take": lambda: np.take(rows, ids, axis=0, out=theirs, mode="clip"),
        "memcpy, one thread": memcpy,
    }


def new_array(store: embmap.Store, ids: np.ndarray) -> dict[str, Work]:
    """Rows into a new array."""
    import torch

    rows = np.array(store.vectors)
    rows_tensor, ids_tensor = torch.from_numpy(rows), torch.from_numpy(ids)
    return {
        "embmap": lambda: store.take(ids),
        "torch.index_select": lambda: torch.index_select(rows_tensor, 0, ids_tensor).numpy(),
        "F.embedding": lambda: torch.nn.functional.embedding(ids_tensor, rows_tensor).numpy(),
        "numpy, M[ids]": lambda: rows[ids],
    }


def task_matrix(store: embmap.Store, ids: np.ndarray) -> dict[str, Work]:
    """The matrix of a task's words, row 0 for padding, looked up and allocated."""
    words = [store.word(i) for i in np.unique(ids)]
    loaded = dict(zip(store, np.array(store.vectors), strict=True))
    work: dict[str, Work] = {"embmap": lambda: store.matrix(words, start=1, oov="zeros").array[1:]}

    def loop() -> np.ndarray:
        matrix = np.zeros((len(words) + 1, store.dim), np.float32)
        for i, word in enumerate(words):
            row = loaded.get(word)
            if row is not None:
                matrix[i + 1] = row
        return matrix[1:]

    work["the tutorials' loop"] = loop
    if importlib.util.find_spec("gensim"):
        from gensim.models import KeyedVectors

        peer = KeyedVectors(store.dim)
        peer.add_vectors(list(store), np.array(store.vectors))
        work["gensim vectors_for_all"] = lambda: peer.vectors_for_all(words).vectors
    return work


def compare(name: str, store: embmap.Store, works: dict[str, Work], runs: int) -> None:
    times: dict[str, list[float]] = {peer: [] for peer in works}
    expected = works["embmap"]().copy()
    for turn in range(runs + 1):
        for peer, work in works.items():
            gc.collect()
            # The threads of OpenMP wait for more work by spinning, for a while.
            time.sleep(0.3)
            start = time.perf_counter()
            found = work()
            seconds = time.perf_counter() - start
            if turn:
                times[peer].append(seconds)
            assert np.array_equal(found, expected), peer
            del found
    size, base = expected.nbytes, statistics.median(times["embmap"])
    print(f"\n{name:<26}{'median ms':>10}{'min':>8}{'max':>8}{'GB/s':>8}{'x embmap':>10}")
    for peer, seconds in times.items():
        middle = statistics.median(seconds)
        row = f"{peer:<26}{middle * 1e3:>10.1f}{min(seconds) * 1e3:>8.1f}{max(seconds) * 1e3:>8.1f}"
        print(f"{row}{size / middle / 1e9:>8.1f}{middle / base:>10.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    store = embmap.open(arguments.store, preload=True)
    ids = np.random.default_rng(1).integers(0, len(store), arguments.rows)
    print(f"{arguments.rows:,} of {len(store):,} x {store.dim} rows, {os.cpu_count()} cores, {arguments.runs} runs")
    compare("into out", store, into_out(store, ids), arguments.runs)
    compare("into a new array", store, new_array(store, ids), arguments.runs)
    compare("a task's matrix", store, task_matrix(store, ids), arguments.runs)


if __name__ == "__main__":
    main()
