"""What a loader gave beside embmap's answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._store import Store
from .loaders import Vectors

_BLOCK = 4096


@dataclass(frozen=True)
class Comparison:
    """How far a loader and embmap agree.

    Attributes
    ----------
    equal : int
        Words whose vectors are the same, bit for bit.
    different : int
        Words whose vectors differ, although both have one. More than none is an error of one of them.
    cut : int
        Words to which the loader gave another number of numbers.
    unknown : int
        The loader's words that embmap does not have.
    absent : int
        embmap's words that the loader does not have.
    """

    equal: int
    different: int
    cut: int
    unknown: int
    absent: int


def compare(vectors: Vectors, store: Store, reference: Store) -> Comparison:
    """Compare what a loader gave with `store`.

    A word that comes again may have another row there, so `reference` is the store of just what the loader read, made
    with the loader's rule for duplicates.
    """
    equal = different = cut = unknown = shared = 0
    for start in range(0, len(vectors.words), _BLOCK):
        words = vectors.words[start : start + _BLOCK]
        rows = vectors.rows[start : start + _BLOCK]
        ids, ids_again = store.indices(words), reference.indices(words)
        whole = np.array([len(row) == store.dim for row in rows])
        known = (ids >= 0) & (ids_again >= 0)
        shared += int(known.sum())
        unknown += int((~known & whole).sum())
        cut += int((~whole).sum())
        at = np.flatnonzero(known & whole)
        given = np.stack([rows[i] for i in at.tolist()]) if len(at) else np.empty((0, store.dim), np.float32)
        right = _same(given, store.take(ids[at]))
        right |= _same(given, reference.take(ids_again[at]))
        equal += int(right.sum())
        different += int((~right).sum())
    return Comparison(equal, different, cut, unknown, len(reference) - shared)


def _same(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Say which rows are the same, bit for bit: -0.0 is not 0.0."""
    same: NDArray[np.bool_] = (np.ascontiguousarray(a).view(np.uint32) == b.view(np.uint32)).all(axis=1)
    return same
