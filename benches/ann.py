"""The approximate index beside the exact search: what it takes to build, and what it finds how fast.

    python benches/ann.py STORE [--dtypes bf16 i8 f16 f32] [--k 10] [--batch 64] [--seconds 2] [--sample 1000]

Queries are rows of the store with noise, so that no row is the answer to itself. Searches one after the other, warm, each
for so many seconds; queries a second, medians over calls. Recall is the share of the exact neighbours, by row, of `--sample`
queries; the cosines of what is found must be `Store.neighbors`' own.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import machine
import numpy as np

import embmap
from embmap import ann

Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def noisy_rows(store: embmap.Store, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = store.take(rng.integers(len(store), size=n))
    return (rows + rng.normal(size=rows.shape) * rows.std(axis=1, keepdims=True) / 2).astype(np.float32)


def per_second(search: Search, queries: np.ndarray, k: int, batch: int, seconds: float) -> float:
    """Give the queries a second that are answered, `batch` in a call; one query goes as a vector."""
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        at = len(times) * batch % (len(queries) - batch + 1)
        asked = queries[at] if batch == 1 else queries[at : at + batch]
        before = time.perf_counter()
        search(asked, k)
        times.append(time.perf_counter() - before)
    return batch / statistics.median(times)


def recall(search: Search, queries: np.ndarray, truth: tuple[np.ndarray, np.ndarray], exact: bool) -> float:
    """Give the share of the true rows that are found."""
    ids, cosines = search(queries, truth[0].shape[1])
    shared = ids[:, :, None] == truth[0][:, None, :]
    if exact:
        place, same, right = np.nonzero(shared)
        assert (cosines[place, same] == truth[1][place, right]).all()
    return float(shared.any(axis=2).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument(
        "--dtypes", nargs="+", choices=["bf16", "i8", "f16", "f32"], default=["bf16", "i8", "f16", "f32"]
    )
    parser.add_argument("--connectivity", type=int, default=16)
    parser.add_argument("--expansion-add", type=int, default=128)
    parser.add_argument("--expansions", type=int, nargs="+", default=[64, 128, 256], help="candidates of a search")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--sample", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="a folder for the indexes, which are deleted otherwise")
    arguments = parser.parse_args()
    store = embmap.open(arguments.store, preload=True)
    queries = noisy_rows(store, max(arguments.sample, arguments.batch))
    truth = store.neighbors(queries, arguments.k)
    print(machine.headline(machine.describe(("usearch",))))
    print(f"top {arguments.k} of {len(store):,} x {store.dim} {store.dtype}, {len(queries):,} queries\n")
    print(
        f"{'':<20}{'build s':>9}{'file MB':>9}{'open ms':>9}{'recall':>8}{'1: q/s':>10}{f'{arguments.batch}: q/s':>10}"
    )

    def line(name: str, search: Search, found: float, built: str = f"{'':27}") -> None:
        one, many = (per_second(search, queries, arguments.k, n, arguments.seconds) for n in (1, arguments.batch))
        print(f"{name:<20}{built}{found:>8.4f}{one:>10,.0f}{many:>10,.0f}", flush=True)

    line("exact", store.neighbors, recall(store.neighbors, queries, truth, True))
    with tempfile.TemporaryDirectory() as folder:
        for dtype in arguments.dtypes:
            path = (arguments.keep or Path(folder)) / f"{arguments.store.name}.{dtype}.usearch"
            start = time.perf_counter()
            ann.build(
                store,
                path,
                dtype=dtype,
                connectivity=arguments.connectivity,
                expansion_add=arguments.expansion_add,
            )
            built = time.perf_counter() - start
            start = time.perf_counter()
            index = ann.open(store, path)
            opened = (time.perf_counter() - start) * 1e3
            columns = f"{built:>9.1f}{index.nbytes / 1e6:>9.1f}{opened:>9.1f}"
            for expansion in arguments.expansions:
                index.expansion_search = expansion
                found = recall(index.neighbors, queries, truth, True)
                line(f"{dtype}, {expansion}", index.neighbors, found, columns)
                columns = f"{'':27}"
            index.expansion_search = arguments.expansions[0]

            def raw(asked: np.ndarray, k: int, index: ann.ApproximateIndex = index) -> tuple[np.ndarray, np.ndarray]:
                return index.neighbors(asked, k, exact_scores=False)

            line(f"{dtype}, {arguments.expansions[0]}, inexact", raw, recall(raw, queries, truth, False))


if __name__ == "__main__":
    main()
