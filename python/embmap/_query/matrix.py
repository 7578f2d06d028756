"""The embedding matrix of a task: one row for each word of its vocabulary."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from operator import index as as_int
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import _notebook
from .._core.vocabulary import PADDING, Vocab, Vocabulary
from .forms import Fallback, ids_of_forms
from .oov import OOV, fill_missing

if TYPE_CHECKING:
    from .._core.store import CoreStore


class Matrix:
    """A task's embedding matrix, and which of its words were found.

    Attributes
    ----------
    array : ndarray, shape (rows, dim)
        The matrix; it is yours to change. ``np.asarray(matrix)`` gives it too.
    index : dict
        Word -> row.
    found, missing : list of str
        Words with a row in the store (in some form), and words without, in row order. The padding word is in neither.
    coverage : float
        The share of words that were found, 1.0 where there are none to find.
    padding_idx : int or None
        The row of the padding: the one that was named, else that of the empty word, if it has one.

    Examples
    --------
    >>> matrix = store.matrix(["<pad>", "king", "unheard-of"], padding_idx=0, oov="zeros")
    >>> matrix
    <Matrix 3 x 4 float32: 1 words found, 1 missing>
    >>> matrix.index["king"], matrix.found, matrix.missing, matrix.coverage
    (1, ['king'], ['unheard-of'], 0.5)
    >>> matrix.array
    array([[0. , 0. , 0. , 0. ],
           [0.9, 0.8, 0.1, 0. ],
           [0. , 0. , 0. , 0. ]], dtype=float32)
    """

    # Made when they are asked for: a task's words are many, and its matrix is all that most callers want.
    def __init__(
        self,
        array: NDArray[Any],
        words: Vocabulary,
        is_found: NDArray[np.bool_],
        counts: NDArray[np.bool_],
        padding_idx: int | None,
    ) -> None:
        self.array = array
        self.padding_idx = padding_idx
        self._words = words
        self._is_found = is_found
        self._counts = counts

    @cached_property
    def index(self) -> dict[str, int]:
        return dict(zip(self._words.words, self._words.rows.tolist(), strict=True))

    @cached_property
    def found(self) -> list[str]:
        return self._words.where(self._counts & self._is_found)

    @cached_property
    def missing(self) -> list[str]:
        return self._words.where(self._counts & ~self._is_found)

    @property
    def coverage(self) -> float:
        words = np.count_nonzero(self._counts)
        return float(np.count_nonzero(self._counts & self._is_found) / words) if words else 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and dimension."""
        rows, dim = self.array.shape
        return rows, dim

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.array, dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.array)

    def __repr__(self) -> str:
        rows, dim = self.shape
        return f"<Matrix {rows} x {dim} {self.array.dtype}: {len(self.found)} words found, {len(self.missing)} missing>"

    def _repr_html_(self) -> str:
        """Show the matrix in a notebook: its shape, how many words were found, which were not."""
        rows, dim = self.shape
        facts = [("rows", f"{rows:,}"), ("dim", dim), ("dtype", self.array.dtype), ("padding_idx", self.padding_idx)]
        words = len(self.found) + len(self.missing)
        share = _notebook.share_html(self.coverage, f"{self.coverage:.1%} of {words:,} words found")
        return _notebook.facts_html("Matrix", facts, share, _notebook.words_html("missing", self.missing))


def build_matrix(
    store: CoreStore,
    vocab: Vocab,
    *,
    start: int,
    padding_idx: int | None,
    oov: OOV,
    scale: float,
    seed: int,
    fallback: Fallback | Iterable[Fallback],
    dtype: DTypeLike | None,
) -> Matrix:
    """Do what `Store.matrix` says."""
    wanted = _wanted_dtype(dtype)
    words = Vocabulary.of(vocab, start)
    ids = store.indices(words.words)
    words.check_distinct(ids, len(store))
    named = None if padding_idx is None else _padding_row(as_int(padding_idx), words.end)
    empty = words.row_of(PADDING)
    counts = np.ones(len(ids), bool)
    for row in (named, empty):
        if row is not None:
            counts &= words.rows != row
    absent = np.flatnonzero(counts & (ids < 0))
    ids[absent] = ids_of_forms(store, [words.words[i] for i in absent], fallback)

    sources = np.full(words.end, -1, np.int64)
    sources[words.rows] = np.where(counts, ids, -1)
    array = np.empty((words.end, store.dim), np.float16 if wanted == np.float16 else np.float32)
    store._gather(sources, array)

    is_found = ids >= 0
    absent = np.flatnonzero(counts & ~is_found)
    fill_missing(store, [words.words[i] for i in absent], words.rows[absent], array, oov, scale=scale, seed=seed)
    padding = empty if named is None else named
    return Matrix(array.astype(wanted, copy=False), words, is_found, counts, padding)


def _wanted_dtype(dtype: DTypeLike | None) -> np.dtype[Any]:
    wanted = np.dtype(np.float32 if dtype is None else dtype)
    if wanted.kind != "f":
        raise ValueError(f"dtype must be a floating-point type, not {wanted}")
    return wanted


def _padding_row(padding_idx: int, rows: int) -> int:
    if not -rows <= padding_idx < rows:
        raise ValueError(f"padding_idx {padding_idx} is not one of the {rows} rows")
    return padding_idx % rows
