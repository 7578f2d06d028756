"""Exact cosine similarity over the mapped matrix: what is asked, in terms of rows and vectors."""

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

Restrict: TypeAlias = int | Iterable[str] | None
"""Which rows can be found: the first so many, those of these words, or all."""


def neighbors(
    store: Store, queries: NDArray[np.float32], k: int, restrict: Restrict = None, exclude: Iterable[int] = ()
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the rows nearest to each of `queries`, ``[n, dim]``: ids and cosines, ``[n, k]``, best first.

    Rows in `exclude` are left out; ``k`` is smaller where there are fewer rows to find.
    """
    if not np.isfinite(queries).all():
        raise ValueError("a query has a number that is not finite")
    first, only = _candidates(store, restrict)
    excluded = np.unique(np.fromiter(exclude, np.int64))
    excluded = excluded[np.isin(excluded, only) if only is not None else excluded < first]
    candidates = first if only is None else len(only)
    k = min(k, candidates - len(excluded))
    ids, cosines = store._nearest(np.ascontiguousarray(queries, np.float32), k + len(excluded), first, only)
    if len(excluded):
        # As many as are excluded have been found beyond k, so that k are left in each row.
        order = np.argsort(np.isin(ids, excluded), axis=1, kind="stable")[:, :k]
        ids, cosines = np.take_along_axis(ids, order, 1), np.take_along_axis(cosines, order, 1)
    return ids, cosines


def _candidates(store: Store, restrict: Restrict) -> tuple[int, NDArray[np.uint32] | None]:
    if restrict is None:
        return len(store), None
    if isinstance(restrict, str):
        raise TypeError("restrict must be a number of rows or words, not one str")
    if isinstance(restrict, Iterable):
        ids = store.indices(restrict)
        return 0, np.unique(ids[ids >= 0]).astype(np.uint32)
    if restrict < 0:
        raise ValueError(f"restrict must not be negative, not {restrict}")
    return min(restrict, len(store)), None


def vectors_of(store: Store, keys: Iterable[Key]) -> NDArray[np.float32]:
    """Vectors of words and of vectors, ``[n, dim]``; KeyError for a word that is missing."""
    rows = [store[key] if isinstance(key, str) else _as_vector(key, store.dim) for key in keys]
    return np.stack(rows).astype(np.float32) if rows else np.empty((0, store.dim), np.float32)


def queries_of(store: Store, queries: str | Sequence[str] | NDArray[np.floating]) -> tuple[NDArray[np.float32], bool]:
    """Vectors of queries, ``[n, dim]``, and whether there is but one, not in a list."""
    single = isinstance(queries, str) or (isinstance(queries, np.ndarray) and queries.ndim == 1)
    return vectors_of(store, cast("Iterable[Key]", [queries] if single else queries)), single


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
    restrict: Restrict,
    exclude: Iterable[str],
) -> list[tuple[str, float]]:
    """Do what `Store.most_similar` says: gensim's mean, its own words left out."""
    if topn < 1:
        return []
    query, own = mean_of(store, positive, negative)
    ids, cosines = neighbors(store, query[None], topn, restrict, [*own, *rows_of(store, exclude)])
    return [(store.word(i), cosine) for i, cosine in zip(ids[0].tolist(), cosines[0].tolist(), strict=True)]


def mean_of(
    store: Store, positive: Weighted | Sequence[Weighted] | None, negative: Weighted | Sequence[Weighted] | None
) -> tuple[NDArray[np.float32], list[int]]:
    """Give the mean that `most_similar` asks with, ``[dim]``, and the rows of its words."""
    signed = [*_weighted(positive, 1.0), *_weighted(negative, -1.0)]
    if not signed:
        raise ValueError("most_similar needs at least one word or vector")
    vectors = vectors_of(store, [key for key, _ in signed]).astype(np.float64)
    words = np.array([isinstance(key, str) for key, _ in signed])
    vectors[words] = unit(vectors[words])
    query = (vectors * np.array([[weight] for _, weight in signed])).mean(axis=0)
    own = [store.index(key) for key, _ in signed if isinstance(key, str)]
    return query.astype(np.float32), own


def rows_of(store: Store, words: Iterable[str]) -> list[int]:
    """Give the rows of those of `words` that the store has."""
    ids = store.indices(words)
    rows: list[int] = ids[ids >= 0].tolist()
    return rows


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
