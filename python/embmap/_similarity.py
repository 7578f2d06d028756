"""Exact cosine similarity over the mapped matrix, block by block; the products are NumPy's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from ._store import Store

Key: TypeAlias = str | NDArray[np.floating]
"""A word of the store, or a vector."""
Weighted: TypeAlias = Key | tuple[Key, float]

_SCRATCH = 1 << 22
"""Scores that are held at once."""


def neighbors(store: Store, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the rows nearest to each of `queries`, ``[n, dim]``: ids and cosines, ``[n, k]``, best first."""
    if not np.isfinite(queries).all():
        raise ValueError("a query has a number that is not finite")
    units = unit(queries).astype(np.float32)
    n, rows = len(queries), len(store)
    k = min(k, rows)
    best_ids = np.empty((n, 0), np.int64)
    best = np.empty((n, 0), np.float32)
    step = max(_SCRATCH // max(n, 1), 1)
    if store.dtype != np.float32:
        step = min(step, max(_SCRATCH // store.dim, 1))  # These rows are copied.
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        scores = units @ store._block(start, stop).T.astype(np.float32, copy=False)
        scores *= store._inverse_norms(start, stop)
        ids = np.broadcast_to(np.arange(start, stop), scores.shape)
        best, best_ids = _top(np.hstack((best, scores)), np.hstack((best_ids, ids)), k)
    return best_ids, best


def _top(scores: NDArray[np.float32], ids: NDArray[np.int64], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Give the `k` best of each row, sorted; of those as good as the k-th, the ones with the lowest ids."""
    n, width = scores.shape
    if 0 < k < width:
        kth = np.partition(scores, width - k, axis=1)[:, width - k, None]
        chosen = scores > kth
        tied = scores == kth
        chosen |= tied & (np.cumsum(tied, axis=1) <= k - chosen.sum(axis=1, keepdims=True))
        scores, ids = scores[chosen].reshape(n, k), ids[chosen].reshape(n, k)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(ids, order, 1)


def vectors_of(store: Store, keys: Iterable[Key]) -> NDArray[np.float32]:
    """Vectors of words and of vectors, ``[n, dim]``; KeyError for a word that is missing."""
    rows = [store[key] if isinstance(key, str) else _as_vector(key, store.dim) for key in keys]
    return np.stack(rows).astype(np.float32) if rows else np.empty((0, store.dim), np.float32)


def _as_vector(values: ArrayLike, dim: int) -> NDArray[np.float32]:
    vector = np.asarray(values, np.float32)
    if vector.shape != (dim,):
        raise ValueError(f"a vector must have shape ({dim},), not {vector.shape}")
    return vector


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale rows to length 1, rows of zeros excepted."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def most_similar(
    store: Store,
    positive: Weighted | Sequence[Weighted] | None,
    negative: Weighted | Sequence[Weighted] | None,
    topn: int,
) -> list[tuple[str, float]]:
    """Do what `Store.most_similar` says: gensim's mean, its own words left out."""
    if topn < 1:
        return []
    signed = [*_weighted(positive, 1.0), *_weighted(negative, -1.0)]
    if not signed:
        raise ValueError("most_similar needs at least one word or vector")
    vectors = vectors_of(store, [key for key, _ in signed]).astype(np.float64)
    words = np.array([isinstance(key, str) for key, _ in signed])
    vectors[words] = unit(vectors[words])
    query = (vectors * np.array([[weight] for _, weight in signed])).mean(axis=0)
    own = {store.index(key) for key, _ in signed if isinstance(key, str)}
    ids, scores = neighbors(store, query[None].astype(np.float32), topn + len(own))
    found = [(i, score) for i, score in zip(ids[0].tolist(), scores[0].tolist(), strict=True) if i not in own]
    return [(store.word(i), score) for i, score in found[:topn]]


def _weighted(keys: Weighted | Sequence[Weighted] | None, weight: float) -> Iterable[tuple[Key, float]]:
    if keys is None:
        return
    pair = isinstance(keys, tuple) and len(keys) == 2 and isinstance(keys[1], (int, float))
    if pair or isinstance(keys, str) or (isinstance(keys, np.ndarray) and keys.ndim == 1):
        keys = [cast("Weighted", keys)]
    for key in cast("Sequence[Weighted]", keys):
        yield key if isinstance(key, tuple) else (key, weight)


def doesnt_match(store: Store, words: Iterable[str]) -> str:
    """Do what `Store.doesnt_match` says."""
    known = [word for word in words if word in store]
    if not known:
        raise ValueError("doesnt_match needs at least one word of the store")
    units = unit(vectors_of(store, known))
    mean = unit(units.mean(axis=0))
    return known[int(np.argmin(units @ mean))]
