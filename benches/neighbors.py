"""The nearest rows: embmap from the mapped file beside libraries that hold normalised vectors in memory.

    python benches/neighbors.py [--rows 400000 --dim 300 | --glove] [--queries 1 16 64 256 1024] [--runs 7] [--only NAME ...]
    python benches/neighbors.py --words 1000 [--glove]
    python benches/neighbors.py --graph [--glove] [--rows 100000]

Vectors are made up, N(0, 0.4) each, unless they are those of glove.6B.50d; stores of them, with a screening copy and
without, are written to a temporary folder. All libraries use the same number of threads; runs in turn, each behind an
untimed call, medians. Setting up a peer (copying and normalising the vectors) is not timed. Every answer must have the
cosines of a float64 brute force, to what the peer's numbers can; ours to 1e-7. With --words, single queries: words of all
frequencies, one call each.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import glove
import machine
import numpy as np

import embmap

Search = Callable[[np.ndarray, int], np.ndarray]
"""From queries and k to cosines, best first."""

CORES = len(os.sched_getaffinity(0))


def units(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)).astype(np.float32)


def torch(vectors: np.ndarray, dtype: str = "float32") -> Search:
    """Matrix product and topk over normalised rows."""
    import torch

    torch.set_num_threads(CORES)
    kind = getattr(torch, dtype)
    rows = torch.from_numpy(units(vectors)).to(kind)

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        asked = torch.nn.functional.normalize(torch.from_numpy(queries)).to(kind)
        return torch.topk(asked @ rows.T, k).values.float().numpy()

    return search


def numpy(vectors: np.ndarray) -> Search:
    """Matrix product and argpartition over normalised rows."""
    rows = units(vectors)

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        scores = units(queries) @ rows.T
        return -np.sort(-np.take_along_axis(scores, np.argpartition(scores, -k, axis=1)[:, -k:], 1), axis=1)

    return search


def gensim(vectors: np.ndarray) -> Search:
    """similar_by_vector, one query after the other."""
    from gensim.models import KeyedVectors

    peer = KeyedVectors(vectors.shape[1])
    peer.add_vectors([f"w{i}" for i in range(len(vectors))], vectors)
    peer.fill_norms()

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        return np.array([[cosine for _, cosine in peer.similar_by_vector(query, topn=k)] for query in queries])

    return search


def faiss(vectors: np.ndarray, kind: str = "IndexFlatIP", *more: int) -> Search:
    """A flat index of inner products over normalised rows."""
    import faiss

    faiss.omp_set_num_threads(CORES)
    index = getattr(faiss, kind)(vectors.shape[1], *more)
    index.add(units(vectors))
    return lambda queries, k: index.search(units(queries), k)[0]


def usearch(vectors: np.ndarray) -> Search:
    """Exact search."""
    from usearch.index import MetricKind, search

    rows = vectors.copy()
    return lambda queries, k: (
        1 - search(rows, queries, k, MetricKind.Cos, exact=True, threads=CORES).distances.reshape(len(queries), k)
    )


def numkong(vectors: np.ndarray) -> Search:
    """Its packed product in bfloat16, a part of the rows on each thread, and NumPy's argpartition."""
    from concurrent.futures import ThreadPoolExecutor

    import numkong

    rows = numkong.astype(units(vectors), "bfloat16")
    edges = np.linspace(0, len(vectors), CORES + 1).astype(int).tolist()
    pool = ThreadPoolExecutor(CORES)

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        packed = numkong.dots_pack(numkong.astype(units(queries), "bfloat16"))
        out = numkong.zeros((len(vectors), len(queries)), dtype="float32")
        parts = [
            pool.submit(numkong.dots_packed, rows, packed, out=out, start_row=start, end_row=stop)
            for start, stop in itertools.pairwise(edges)
        ]
        for part in parts:
            part.result()
        scores = np.ascontiguousarray(np.asarray(out).T)
        return -np.sort(-np.take_along_axis(scores, np.argpartition(scores, -k, axis=1)[:, -k:], 1), axis=1)

    return search


# A peer's package, its search, and what its cosines may be off by.
PEERS: dict[str, tuple[str, Callable[[np.ndarray], Search], float]] = {
    "torch": ("torch", torch, 1e-5),
    "torch, bfloat16": ("torch", lambda vectors: torch(vectors, "bfloat16"), 2e-2),
    "torch, float16": ("torch", lambda vectors: torch(vectors, "float16"), 2e-3),
    "numpy": ("numpy", numpy, 1e-5),
    "gensim": ("gensim", gensim, 1e-5),
    "faiss IndexFlatIP": ("faiss", faiss, 1e-5),
    "faiss IndexFlatIPPanorama": ("faiss", lambda vectors: faiss(vectors, "IndexFlatIPPanorama", 8, 256), 1e-5),
    "usearch, exact": ("usearch", usearch, 1e-5),
    "numkong, bfloat16": ("numkong", numkong, 2e-2),
}
# Those that compare one query after the other are not asked more.
MOST_QUERIES = {"gensim": 64, "faiss IndexFlatIPPanorama": 64, "usearch, exact": 64, "torch, float16": 64}


def brute_force(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Give cosines in float64, best first."""
    rows = vectors.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = []
    for start in range(0, len(queries), 64):
        asked = queries[start : start + 64].astype(np.float64)
        scores = asked / np.linalg.norm(asked, axis=1, keepdims=True) @ rows.T
        found.append(-np.sort(-np.take_along_axis(scores, np.argpartition(scores, -k, axis=1)[:, -k:], 1), axis=1))
    return np.concatenate(found)


def ours(store: embmap.Store) -> Search:
    return lambda queries, k: store.neighbors(queries, k)[1]


def batches(
    searches: dict[str, Search], vectors: np.ndarray, counts: list[int], k: int, runs: int
) -> dict[str, dict[str, list[float]]]:
    """Time batches of queries, all libraries in turn; give the seconds."""
    measured: dict[str, dict[str, list[float]]] = {}
    for n in counts:
        rng = np.random.default_rng(n)
        queries = vectors[rng.integers(0, len(vectors), n)]
        queries = (queries + rng.normal(size=queries.shape) * np.abs(queries).mean()).astype(np.float32)
        expected = brute_force(vectors, queries, k)
        times: dict[str, list[float]] = {name: [] for name in searches if n <= MOST_QUERIES.get(name, n)}
        for _ in range(runs):
            for name in times:
                # The threads of BLAS and OpenMP wait for more work by spinning, for a while; and a core that has slept
                # is slow at first.
                time.sleep(0.3)
                searches[name](queries, k)
                start = time.perf_counter()
                found = searches[name](queries, k)
                times[name].append(time.perf_counter() - start)
                off = PEERS[name][2] if name in PEERS else 1e-7
                assert np.allclose(found, expected, rtol=0, atol=off), (name, np.abs(found - expected).max())
        measured[f"{n} queries"] = times
    return measured


def single_queries(
    searches: dict[str, Search], vectors: np.ndarray, words: int, k: int
) -> dict[str, dict[str, list[float]]]:
    """Time one query a call, rows of all frequencies; a peer's calls follow each other, as they come."""
    queries = vectors[np.linspace(0, len(vectors) - 1, words).astype(int)]
    expected = brute_force(vectors, queries[:: max(words // 50, 1)], k)
    times: dict[str, list[float]] = {}
    busy = searches.get("torch")
    modes: dict[str, Search | None] = dict.fromkeys(searches)
    if busy:
        modes |= {f"{name}, behind torch": busy for name in searches if name.startswith("embmap")}
    for name, before in modes.items():
        search = searches[name.removesuffix(", behind torch")]
        time.sleep(1)
        seconds, found = [], []
        for query in queries:
            if before:
                before(query[None], k)
            start = time.perf_counter()
            found.append(search(query[None], k)[0])
            seconds.append(time.perf_counter() - start)
        off = PEERS[name][2] if name in PEERS else 1e-7
        assert np.allclose(found[:: max(words // 50, 1)], expected, rtol=0, atol=off), name
        times[name] = seconds
    return {f"1 query, {words:,} words": times}


def graphs(
    searches: dict[str, Search], stores: dict[str, embmap.Store], vectors: np.ndarray, k: int
) -> dict[str, list[float]]:
    """Time the nearest of every row, itself left out: ours written to disk, a peer's cosines in memory; one run each."""
    times: dict[str, list[float]] = {}
    for name, search in searches.items():
        time.sleep(1)
        start = time.perf_counter()
        if name in stores:
            path = stores[name].path.with_suffix(".npz")
            stores[name].knn_graph(path, k)
            cosines = np.load(path)["data"].reshape(-1, k)
        else:
            parts = (search(vectors[at : at + 1024], k + 1)[:, 1:] for at in range(0, len(vectors), 1024))
            cosines = np.concatenate(list(parts))
        times[name] = [time.perf_counter() - start]
        if name in stores:
            expected = cosines
        assert np.allclose(cosines, expected, rtol=0, atol=PEERS[name][2] if name in PEERS else 0), name
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--glove", action="store_true", help="the real glove.6B.50d")
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 16, 64, 256, 1024])
    parser.add_argument("--graph", action="store_true", help="the nearest of every row")
    parser.add_argument("--words", type=int, help="single queries, so many")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--only", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.glove:
        words, vectors = (part[: arguments.rows] for part in glove.arrays())
    else:
        shape = (arguments.rows, arguments.dim)
        words = [f"w{i:x}" for i in range(arguments.rows)]
        vectors = np.random.default_rng(0).normal(0, 0.4, shape).astype(np.float32)
    installed = [name for name in arguments.only if importlib.util.find_spec(PEERS[name][0])]
    for name in set(arguments.only) - set(installed):
        print(f"left out: {name} is not installed")
    with tempfile.TemporaryDirectory() as folder:
        stores: dict[str, embmap.Store] = {}
        for name, screen in (("embmap", False), ("embmap, screening copy", True)):
            path = Path(folder) / f"{screen}.embmap"
            embmap.write(path, words, vectors, screen=screen)
            stores[name] = embmap.open(path, preload=True)
        searches = {name: ours(store) for name, store in stores.items()}
        searches |= {name: PEERS[name][1](vectors) for name in installed}
        if arguments.graph:
            measured = {"the nearest of every row": graphs(searches, stores, vectors, arguments.k)}
        elif arguments.words:
            measured = single_queries(searches, vectors, arguments.words, arguments.k)
        else:
            measured = batches(searches, vectors, arguments.queries, arguments.k, arguments.runs)
    print(f"top {arguments.k} of {len(vectors):,} x {vectors.shape[1]}, {CORES} cores")
    summary = {title: {name: figures(seconds) for name, seconds in times.items()} for title, times in measured.items()}
    for title, ways in summary.items():
        print(f"\n{title:<34}{'median ms':>10}{'min':>9}{'p95':>9}{'x embmap':>10}{'x copy':>9}")
        for name, found in ways.items():
            shown = [found[key] * 1e3 for key in ("median_s", "min_s", "p95_s")]
            ratios = [found["median_s"] / ways[base]["median_s"] for base in ("embmap", "embmap, screening copy")]
            print(f"{name:<34}{shown[0]:>10.2f}{shown[1]:>9.2f}{shown[2]:>9.2f}{ratios[0]:>10.2f}{ratios[1]:>9.2f}")
    machine.save(arguments.json, ("torch", "gensim", "faiss-cpu", "usearch", "numkong"), ways=summary)


def figures(seconds: list[float]) -> dict[str, float]:
    """Sum up what was timed."""
    middle, high = np.percentile(seconds, [50, 95])
    return {"median_s": float(middle), "min_s": min(seconds), "p95_s": float(high), "runs": len(seconds)}


if __name__ == "__main__":
    main()
