"""Exact cosine similarity over the mapped matrix: what is asked, in terms of rows and vectors."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index as as_int
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .queries import check_finite, several, vectors_of, weighted

if TYPE_CHECKING:
    from .._core.store import CoreStore
    from .queries import Key, WeightedKeys

Restrict: TypeAlias = int | Iterable[str] | None
"""Which rows can be found: the first so many, those of these words, or all."""

# Numbers of rows that are multiplied at a time: 16 MiB of float32, whatever type the store has.
_BLOCK = 1 << 22


def neighbors(
    store: CoreStore, queries: NDArray[np.float32], k: int, restrict: Restrict = None, exclude: Iterable[int] = ()
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the rows nearest to each of `queries`, ``[n, dim]``: ids and cosines, ``[n, k]``, best first.

    Rows in `exclude` are left out; ``k`` is smaller where there are fewer rows to find.
    """
    k = as_int(k)
    check_finite(queries)
    first, only = _candidates(store, restrict)
    excluded = np.unique(np.fromiter(exclude, np.int64))
    excluded = excluded[np.isin(excluded, only) if only is not None else excluded < first]
    candidates = first if only is None else len(only)
    k = min(k, candidates - len(excluded))
    ids, cosines = store._nearest(np.ascontiguousarray(queries, np.float32), k + len(excluded), first, only)
    if len(excluded):
        # As many as are excluded have been found beyond k, so that k are left in each row.
        ids, cosines = without(np.isin(ids, excluded), k, ids, cosines)
    return ids, cosines.astype(np.float32)


def without(
    excluded: NDArray[np.bool_], k: int, ids: NDArray[np.int64], cosines: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Give the first `k` of each row of neighbours, ``[n, more]``, those that are excluded behind all others."""
    order = np.argsort(excluded, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(ids, order, 1), np.take_along_axis(cosines, order, 1)


def _candidates(store: CoreStore, restrict: Restrict) -> tuple[int, NDArray[np.int64] | None]:
    if restrict is None:
        return len(store), None
    if isinstance(restrict, str):
        raise TypeError("restrict must be a number of rows or words, not one str")
    if isinstance(restrict, Iterable):
        ids = store.indices(restrict)
        return 0, np.unique(ids[ids >= 0])
    return first_rows(store, restrict), None


def first_rows(store: CoreStore, restrict: int, name: str = "restrict") -> int:
    """Give how many rows there are among the first so many; ValueError where these are not the source's first."""
    restrict = as_int(restrict)
    if restrict < 0:
        raise ValueError(f"{name} must not be negative, not {restrict}")
    check_order(store, restrict, name)
    return min(restrict, len(store))


def check_order(store: CoreStore, restrict: int, name: str = "restrict") -> None:
    """Raise ValueError where the first so many rows are not the source's first."""
    if not store._in_source_order and 0 < restrict < len(store):
        raise ValueError(
            f"{store.path}: the rows of a store in several files are not in the source's order, so that {name}={restrict} "
            "would take any words: pass the words themselves, or leave it out"
        )


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale rows to length 1, in float64; rows of zeros stay."""
    lengths = np.sqrt(np.einsum("...i,...i->...", vectors, vectors, dtype=np.float64))[..., np.newaxis]
    quotients: NDArray[np.float64] = vectors / np.where(lengths > 0, lengths, 1)
    return quotients


def ranked(
    store: CoreStore,
    positive: WeightedKeys,
    negative: WeightedKeys,
    topn: int | None,
    restrict: Restrict,
    exclude: Iterable[str],
    restrict_vocab: int | None,
) -> list[tuple[str, float]] | NDArray[np.float32]:
    """Do what `Store.most_similar` says."""
    if restrict_vocab:
        if restrict is not None:
            raise TypeError("restrict_vocab is gensim's name for restrict: give one of them")
        restrict = restrict_vocab
    if topn is None:
        return all_cosines(store, positive, negative, restrict, exclude)
    return most_similar(store, positive, negative, topn, restrict, exclude)


def cosine(store: CoreStore, a: Key, b: Key) -> float:
    """Give the cosine of two words or vectors, 0 where one is zeros."""
    vectors = vectors_of(store, [a, b])
    check_finite(vectors)
    first, second = unit(vectors)
    return float(first @ second)


def most_similar(
    store: CoreStore,
    positive: WeightedKeys,
    negative: WeightedKeys,
    topn: int,
    restrict: Restrict,
    exclude: Iterable[str],
) -> list[tuple[str, float]]:
    """Do what `Store.most_similar` says: gensim's mean, its own words left out."""
    store._check_open()
    topn = as_int(topn)
    if topn < 1:
        return []
    query, own = mean_of(store, positive, negative)
    ids, cosines = neighbors(store, query[None], topn, restrict, [*own, *rows_of(store, exclude)])
    return [(store.word(i), cosine) for i, cosine in zip(ids[0].tolist(), cosines[0].tolist(), strict=True)]


def all_cosines(
    store: CoreStore,
    positive: WeightedKeys,
    negative: WeightedKeys,
    restrict: Restrict,
    exclude: Iterable[str],
) -> NDArray[np.float32]:
    """Do what `Store.most_similar` says of ``topn=None``: a cosine for each row, in row order."""
    if isinstance(restrict, Iterable) or list(exclude):
        raise ValueError("topn=None gives a number for each row: restrict must be a number of rows, exclude be empty")
    mean, _ = mean_of(store, positive, negative)
    check_finite(mean)
    query = unit(mean).astype(np.float32)
    rows, _ = _candidates(store, restrict)
    return over_lengths(store, range(rows), query)


def over_lengths(store: CoreStore, rows: range, query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the products of `query` with each of some rows, over the length of the row; 0 for rows of zeros."""
    products = np.empty(len(rows), np.float32)
    step = max(_BLOCK // store.dim, 1)
    for start in range(rows.start, rows.stop, step):
        stop = min(start + step, rows.stop)
        some = products[start - rows.start : stop - rows.start]
        inverse = store._inverse_norms(start, stop)
        block = store._block(start, stop).astype(np.float32, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            some[:] = block @ query * inverse
        extreme = extreme_lengths(inverse)
        if len(extreme):
            some[extreme] = unit(block[extreme]) @ query.astype(np.float64)
    return products


def extreme_lengths(inverse: NDArray[np.float32]) -> NDArray[np.int64]:
    """Name the rows with whose lengths, or numbers, float32 cannot be trusted, by what is 1 over their lengths."""
    return np.flatnonzero((inverse > 1e30) | ((inverse < 1e-30) & (inverse > 0)))


def mean_of(store: CoreStore, positive: WeightedKeys, negative: WeightedKeys) -> tuple[NDArray[np.float32], list[int]]:
    """Give the mean that `most_similar` asks with, ``[dim]``, and the rows of its words."""
    signed = [*weighted(positive, 1.0), *weighted(negative, -1.0)]
    if not signed:
        raise ValueError("most_similar needs at least one word or vector")
    vectors = vectors_of(store, [key for key, _ in signed]).astype(np.float64)
    words = np.array([isinstance(key, str) for key, _ in signed])
    vectors[words] = unit(vectors[words])
    query = (vectors * np.array([[weight] for _, weight in signed])).mean(axis=0)
    own = [store.index(key) for key, _ in signed if isinstance(key, str)]
    return query.astype(np.float32), own


def rows_of(store: CoreStore, words: Iterable[str]) -> list[int]:
    """Give the rows of those of `words` that the store has."""
    ids = store.indices(words)
    rows: list[int] = ids[ids >= 0].tolist()
    return rows


def doesnt_match(store: CoreStore, words: Iterable[str]) -> str:
    """Do what `Store.doesnt_match` says."""
    known = [word for word in several(words, "doesnt_match") if word in store]
    if not known:
        raise ValueError("doesnt_match needs at least one word of the store")
    units = unit(vectors_of(store, known))
    mean = unit(units.mean(axis=0))
    return known[int(np.argmin(units @ mean))]
