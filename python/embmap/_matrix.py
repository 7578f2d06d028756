"""The embedding matrix of a task: one row for each word of its vocabulary."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import index as as_int
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _embmap
from ._oov import OOV, fill_missing
from ._words import WordsLike

if TYPE_CHECKING:
    from ._store import Store

Form = Literal["lower", "upper", "title", "casefold", "nfc", "nfd", "nfkc", "nfkd"]
Fallback: TypeAlias = Form | Callable[[str], str | None]
"""Another form of a word, tried where the word itself is missing."""
Vocab: TypeAlias = WordsLike | Mapping[str, int]

_FORMS: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "title": str.title,
    "casefold": str.casefold,
    "nfc": lambda word: unicodedata.normalize("NFC", word),
    "nfd": lambda word: unicodedata.normalize("NFD", word),
    "nfkc": lambda word: unicodedata.normalize("NFKC", word),
    "nfkd": lambda word: unicodedata.normalize("NFKD", word),
}


@dataclass(frozen=True, eq=False, repr=False)
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
    """

    array: NDArray[Any]
    index: dict[str, int]
    found: list[str]
    missing: list[str]

    @property
    def coverage(self) -> float:
        """The share of words that were found, 1.0 where there are none to find."""
        words = len(self.found) + len(self.missing)
        return len(self.found) / words if words else 1.0

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


def build_matrix(
    store: Store,
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
    index, rows = _rows_of(vocab, start)
    padding = _padding_row(padding_idx, rows)
    words = list(index)
    places = np.fromiter(index.values(), np.int64, len(words))
    ids = store.indices(words)
    _try_forms(store, words, ids, fallback)

    sources = np.full(rows, -1, np.int64)
    sources[places] = ids
    if padding is not None:
        sources[padding] = -1
    array = np.empty((rows, store.dim), np.float16 if wanted == np.float16 else np.float32)
    store._gather(sources, array)

    order = np.argsort(places, kind="stable")
    counted = order if padding is None else order[places[order] != padding]
    absent = counted[ids[counted] < 0]
    missing = [words[i] for i in absent]
    fill_missing(store, missing, places[absent], array, oov, scale=scale, seed=seed)
    found = [words[i] for i in counted[ids[counted] >= 0]]
    return Matrix(array.astype(wanted, copy=False), index, found, missing)


def _wanted_dtype(dtype: DTypeLike | None) -> np.dtype[Any]:
    wanted = np.dtype(np.float32 if dtype is None else dtype)
    if wanted.kind != "f":
        raise ValueError(f"dtype must be a floating-point type, not {wanted}")
    return wanted


def _rows_of(vocab: Vocab, start: int) -> tuple[dict[str, int], int]:
    """Word -> row, every word and every row once, and how many rows that makes."""
    if isinstance(vocab, str):
        raise TypeError("vocab must be words or a mapping word -> row, not one str")
    if isinstance(vocab, Mapping):
        if start:
            raise ValueError("start is for a list of words: a mapping says each word's row itself")
        index = {word: as_int(row) for word, row in vocab.items()}
        owners: dict[int, str] = {}
        for word, row in index.items():
            if row < 0:
                raise ValueError(f"{word!r} has row {row}; rows count from 0")
            if owners.setdefault(row, word) != word:
                raise ValueError(f"{owners[row]!r} and {word!r} both have row {row}")
        return index, max(owners, default=-1) + 1
    if start < 0:
        raise ValueError(f"start must not be negative, not {start}")
    index = {}
    end = start
    for word in _embmap.strings(vocab):
        if index.setdefault(word, end) != end:
            raise ValueError(f"{word!r} is in the vocabulary twice, at rows {index[word]} and {end}")
        end += 1
    return index, end


def _padding_row(padding_idx: int | None, rows: int) -> int | None:
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise ValueError(f"padding_idx {padding_idx} is not one of the {rows} rows")
    return padding_idx % rows


def _try_forms(store: Store, words: list[str], ids: NDArray[np.int64], fallback: Fallback | Iterable[Fallback]) -> None:
    """Look up the other forms of words that are missing; the first form that the store has wins."""
    forms: Iterable[Fallback] = (fallback,) if isinstance(fallback, str) or callable(fallback) else fallback
    for form in forms:
        if not callable(form) and form not in _FORMS:
            raise ValueError(f"fallback must be one of {', '.join(map(repr, _FORMS))} or a callable, not {form!r}")
        change = form if callable(form) else _FORMS[form]
        missing = np.flatnonzero(ids < 0)
        changed = [change(words[i]) for i in missing]
        ids[missing] = store.indices(["" if word is None else word for word in changed])
