"""Rows for words that a store does not have."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.store import check_half
from .._embmap import fill_normal
from .queries import plain

if TYPE_CHECKING:
    from .._core.store import CoreStore

Policy = Literal["normal", "fitted", "mean", "zeros", "subword", "error"]
OOV: TypeAlias = Policy | Callable[[str], ArrayLike] | ArrayLike
"""What stands in for a missing word: a policy by name, a callable ``word -> row``, or one row for all."""


def fill_missing(
    store: CoreStore,
    words: Sequence[str],
    rows: NDArray[np.int64],
    out: NDArray[Any],
    oov: OOV,
    *,
    scale: float,
    seed: int,
) -> None:
    """Fill row ``rows[i]`` of `out`, which holds zeros there, for the missing ``words[i]``."""
    with np.errstate(over="ignore"):
        if isinstance(oov, str) and oov == "subword":
            _fill_subwords(store, words, rows, out)
        elif isinstance(oov, str):
            if (made := _rows_by_policy(store, words, oov, scale, seed)) is not None:
                out[rows] = made
        elif callable(oov):
            for word, row in zip(words, rows, strict=True):
                out[row] = _as_row(oov(word), store.dim, f"oov({word!r})")
        else:
            out[rows] = _as_row(oov, store.dim, "oov")
    check_half(out)


def _fill_subwords(store: CoreStore, words: Sequence[str], rows: NDArray[np.int64], out: NDArray[Any]) -> None:
    if not store._has_subwords:
        raise ValueError(
            "oov='subword' needs a store made of a fastText or floret model, with its n-grams; this has none"
        )
    if not len(words):
        return
    start, stop = int(rows[0]), int(rows[-1]) + 1
    if out.dtype == np.float32 and out.flags.c_contiguous and np.array_equal(rows, np.arange(start, stop)):
        store._subword_vectors(words, out[start:stop])
    else:
        made = np.empty((len(words), store.dim), np.float32)
        store._subword_vectors(words, made)
        out[rows] = made


def _rows_by_policy(
    store: CoreStore, words: Sequence[str], oov: str, scale: float, seed: int
) -> NDArray[np.float32] | None:
    """Give a row for each word, or one for all; None where they stay zeros."""
    if oov not in get_args(Policy):
        raise ValueError(
            f"oov must be one of {', '.join(map(repr, get_args(Policy)))}, a callable or a row, not {oov!r}"
        )
    if not len(words) or oov == "zeros":
        return None
    if oov == "error":
        shown = ", ".join(map(repr, words[:10])) + (", ..." if len(words) > 10 else "")
        raise KeyError(f"{len(words)} words are not in the store: {shown}")
    if oov == "mean":
        mean_row: NDArray[np.float32] = store.statistics()[0].astype(np.float32)
        return mean_row
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, not {scale}")
    fitted = oov == "fitted"
    mean, deviation = store.statistics() if fitted else (np.zeros(store.dim), np.full(store.dim, float(scale)))
    # A normal number is hardly ever more than nine deviations from the mean.
    if np.max(np.abs(mean) + 10 * np.abs(deviation), initial=0) > np.finfo(np.float32).max:
        raise ValueError(
            "scale is so large that float32 could not hold what is drawn"
            if not fitted
            else "the store's numbers vary so much that float32 could not hold what is drawn"
        )
    drawn = np.empty((len(words), store.dim), np.float32)
    fill_normal(words, _as_seed(seed), mean, deviation, drawn)
    return drawn


def _as_row(values: Any, dim: int, name: str) -> NDArray[np.float32]:
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked numbers: filled() says what stands in their places")
    row = np.asarray(plain(values))
    if row.dtype.kind == "c":
        raise TypeError(f"{name} must have real numbers, not {row.dtype}")
    with np.errstate(over="ignore"):
        row = row.astype(np.float32)
    if row.shape != (dim,):
        raise ValueError(f"{name} must have shape ({dim},), not {row.shape}")
    if not np.isfinite(row).all():
        raise ValueError(f"{name} has a number that is not finite in float32")
    return row


def _as_seed(seed: int) -> int:
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be between 0 and 2**64 - 1, not {seed}")
    return seed
