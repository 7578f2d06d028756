"""Texts as lists of tokens: ids in one padded array, or one vector a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from operator import index as as_int
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .._core.store import CoreStore

Pool = Literal["mean", "sum", "tfidf"]
_Token = TypeVar("_Token")


def indices_padded(
    store: CoreStore, texts: Iterable[Sequence[str]], length: int | None, padding: int, missing: int, start: int
) -> NDArray[np.int64]:
    """Do what `Store.indices_padded` says."""
    missing, start = _as_id(missing, "missing"), _as_id(start, "start")

    def find(words: list[str]) -> NDArray[np.int64]:
        ids = store.indices(words, missing=-1)
        return np.where(ids < 0, np.int64(missing), ids + start)

    return padded(texts, length, padding, find)


def padded(
    texts: Iterable[Sequence[str]], length: int | None, padding: int, find: Callable[[list[str]], NDArray[np.int64]]
) -> NDArray[np.int64]:
    """Put what `find` gives for all words of texts into one array, a text a row, cut or filled up to one length."""
    if length is not None and length < 0:
        raise ValueError(f"length must not be negative, not {length}")
    words, lengths = flatten(texts, length)
    width = length if length is not None else int(lengths.max(initial=0))
    ids = np.full((len(lengths), width), _as_id(padding, "padding"), np.int64)
    ids[np.arange(width) < lengths[:, None]] = find(words)
    return ids


def _as_id(number: int, name: str) -> int:
    found = as_int(number)
    if not -(1 << 62) <= found < 1 << 62:
        raise ValueError(f"{name} must fit a row's number, which {found} does not")
    return found


def pooled(
    store: CoreStore, texts: Iterable[Sequence[str]], pool: Pool, weights: Mapping[str, float] | None
) -> NDArray[np.float32]:
    """Do what `Store.lookup` with `pool` says."""
    if pool not in ("mean", "sum", "tfidf"):
        raise ValueError(f"pool must be 'mean', 'sum' or 'tfidf', not {pool!r}")
    words, lengths = flatten(texts, None)
    if pool == "tfidf" and weights is None:
        ends = np.cumsum(lengths).tolist()
        weights = inverse_document_frequencies(
            words[end - n : end] for end, n in zip(ends, lengths.tolist(), strict=True)
        )
    given = None
    if weights is not None:
        # A Series of pandas is none, and answers as one does.
        if not hasattr(weights, "get"):
            raise TypeError(f"weights must be a mapping word -> weight, not {type(weights).__name__}")
        with np.errstate(over="ignore"):
            given = np.fromiter((weights.get(word, 0.0) for word in words), np.float32, len(words))
        if not (finite := np.isfinite(given)).all():
            word = words[int(np.argmin(finite))]
            raise ValueError(f"weights must be finite, and that of {word!r} is {weights.get(word)!r}")
    return store._pool(store.indices(words), lengths.astype(np.uintp), given, pool != "sum")


def python_text(text: Any) -> Any:
    """Give a text, or tokens, of an Arrow column as Python has them."""
    return text.as_py() if hasattr(text, "as_py") else text


def flatten(texts: Iterable[Sequence[_Token]], length: int | None) -> tuple[list[_Token], NDArray[np.int64]]:
    """Give the tokens of all texts, of each so many at most, and how many each has."""
    words: list[_Token] = []
    lengths: list[int] = []
    for position, text in enumerate(texts):
        if isinstance(text, str):
            raise TypeError(f"expected lists of words, found one str at position {position}: split it first")
        if isinstance(text, Mapping):
            # Its keys would be taken for words.
            names = ", ".join(map(repr, islice(text, 3)))
            raise TypeError(f"expected lists of words, found a mapping with {names} at position {position}")
        before = len(words)
        words.extend(text if length is None else text[:length])
        lengths.append(len(words) - before)
    return words, np.array(lengths, np.int64)


def inverse_document_frequencies(texts: Iterable[Sequence[str]]) -> dict[str, float]:
    """Give the weight of each word, smoothed as scikit-learn smooths it: ``ln((1+n) / (1+df)) + 1``."""
    frequency: Counter[str] = Counter()
    count = 0
    for text in texts:
        frequency.update(set(text))
        count += 1
    return {word: float(np.log((1 + count) / (1 + found)) + 1) for word, found in frequency.items()}
