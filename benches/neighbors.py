"""The nearest rows: embmap from the mapped file beside libraries that hold normalised vectors in memory.

    python benches/neighbors.py STORE [--screened STORE] [--queries 1 64] [--k 10] [--runs 7] [--only NAME ...]

All use the same number of threads, warm; runs in turn, medians. Setting up a peer (copying and normalising the vectors) is
not timed. Every answer must have embmap's cosines to 1e-5; rows may differ where they tie.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import embmap

Search = Callable[[np.ndarray, int], np.ndarray]
"""From queries and k to cosines, best first."""


def ours(store: embmap.Store) -> Search:
    return lambda queries, k: store.neighbors(queries, k)[1]


def torch(store: embmap.Store) -> Search:
    """Matrix product and topk over normalised rows."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    rows = torch.nn.functional.normalize(torch.from_numpy(np.array(store.vectors)))

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        return torch.topk(torch.nn.functional.normalize(torch.from_numpy(queries)) @ rows.T, k).values.numpy()

    return search


def numpy(store: embmap.Store) -> Search:
    """Matrix product and argpartition over normalised rows."""
    rows = store.vectors * store._inverse_norms(0, len(store))[:, None]

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        scores = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ rows.T
        return -np.sort(-np.take_along_axis(scores, np.argpartition(scores, -k, axis=1)[:, -k:], 1), axis=1)

    return search


def gensim(store: embmap.Store) -> Search:
    """most_similar, one query after the other."""
    from gensim.models import KeyedVectors

    peer = KeyedVectors(store.dim)
    peer.add_vectors(list(store), np.array(store.vectors))
    peer.fill_norms()

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        return np.array([[cosine for _, cosine in peer.similar_by_vector(query, topn=k)] for query in queries])

    return search


def faiss(store: embmap.Store) -> Search:
    """IndexFlatIP over normalised rows."""
    import faiss

    index = faiss.IndexFlatIP(store.dim)
    index.add(store.vectors * store._inverse_norms(0, len(store))[:, None])
    return lambda queries, k: index.search(queries / np.linalg.norm(queries, axis=1, keepdims=True), k)[0]


def usearch(store: embmap.Store) -> Search:
    """Exact search."""
    from usearch.index import MetricKind, search

    rows = np.array(store.vectors)
    return lambda queries, k: (
        1 - search(rows, queries, k, MetricKind.Cos, exact=True).distances.reshape(len(queries), k)
    )


PEERS: dict[str, Callable[[embmap.Store], Search]] = {
    "embmap": ours,
    "torch": torch,
    "numpy": numpy,
    "gensim": gensim,
    "faiss": faiss,
    "usearch": usearch,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--screened", type=Path, help="the same vectors, converted with screen=True")
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    arguments = parser.parse_args()
    store = embmap.open(arguments.store, preload=True)
    installed = [name for name in arguments.only if name == "embmap" or importlib.util.find_spec(name)]
    for name in set(arguments.only) - set(installed):
        print(f"left out: {name} is not installed")
    searches = {name: PEERS[name](store) for name in installed}
    if arguments.screened:
        searches["embmap, screened"] = ours(embmap.open(arguments.screened, preload=True))
    print(f"top {arguments.k} of {len(store):,} x {store.dim}, {os.cpu_count()} cores, {arguments.runs} runs")
    for n in arguments.queries:
        queries = np.random.default_rng(n).normal(size=(n, store.dim)).astype(np.float32)
        expected = store.neighbors(queries, arguments.k)[1]
        times: dict[str, list[float]] = {name: [] for name in searches}
        for turn in range(arguments.runs + 1):
            for name, search in searches.items():
                # The threads of BLAS and OpenMP wait for more work by spinning, for a while.
                time.sleep(0.3)
                start = time.perf_counter()
                found = search(queries, arguments.k)
                if turn:
                    times[name].append(time.perf_counter() - start)
                assert np.allclose(found, expected, atol=1e-5), name
        base = statistics.median(times["embmap"])
        print(f"\n{n} queries{'':<8}{'median ms':>10}{'min':>8}{'max':>8}{'x embmap':>10}")
        for name, seconds in times.items():
            middle = statistics.median(seconds)
            low, high = min(seconds) * 1e3, max(seconds) * 1e3
            print(f"{name:<18}{middle * 1e3:>10.1f}{low:>8.1f}{high:>8.1f}{middle / base:>10.2f}")


if __name__ == "__main__":
    main()
