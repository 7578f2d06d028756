"""gensim's own files, Polyglot's, and dicts of vectors: pickles of which the data are read and nothing is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._embmap import ngram_buckets
from .matrices import of_npy
from .pickles import Record, array_of, read_pickle
from .rows import LONGEST, Matrix, Ngrams, Rows, paired, refusal, text_of


def beside(path: Path) -> tuple[Path, ...]:
    """Give the arrays that a model of gensim's keeps in files of their own."""
    return tuple(sorted(path.parent.glob(f"{_escaped(path.name)}.*.npy")))


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def of_pickle(path: Path) -> Rows:
    """Give the words and vectors of a pickle: of gensim's `KeyedVectors` or a model with one, of Polyglot, or of a dict."""
    with path.open("rb") as file:
        found = read_pickle(path, file)
    if isinstance(found, Record):
        return _of_model(path, found)
    if isinstance(found, dict) and found and all(isinstance(word, str) for word in found):
        rows = [_row(array_of(row)) for row in found.values()]
        if all(row is not None and row.shape == rows[0].shape for row in rows):
            return paired(path, np.stack(rows), list(found), path.name)
    if isinstance(found, tuple) and len(found) == 2:
        words, matrix = found[0], array_of(found[1])
        if isinstance(words, (list, tuple)) and isinstance(matrix, np.ndarray):
            named = [text_of(path, word) for word in words]
            return paired(path, matrix, named, path.name)
    raise refusal(
        path, "this is a Python pickle without words and vectors: expected gensim's, (words, matrix) or word -> vector"
    )


def _row(value: Any) -> Any:
    """Give one vector as an array, or None where it is none."""
    if isinstance(value, np.ndarray):
        return value if value.ndim == 1 and value.dtype.kind in "fiu" else None
    is_row = isinstance(value, (list, tuple)) and all(isinstance(number, (int, float)) for number in value)
    return np.array(value, np.float64) if is_row else None


def _of_model(path: Path, model: Record) -> Rows:
    prefix = ""
    if isinstance(inner := model.state.get("wv"), Record):
        model, prefix = inner, "wv."
    words = model.state.get("index_to_key") or model.state.get("index2word")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise refusal(
            path,
            f"this is a pickle of {model.of}, which has no words: expected gensim's KeyedVectors, or a model with one",
        )

    def stored(name: str) -> Any:
        """Give an array of the model, which may be in a file of its own."""
        matrix = array_of(model.state.get(name))
        if isinstance(matrix, np.ndarray):
            return matrix
        apart = path.with_name(f"{path.name}.{prefix}{name}.npy")
        return of_npy(apart) if apart.exists() else None

    own, shared = stored("vectors_vocab"), stored("vectors_ngrams")
    if own is not None and shared is not None:
        return _of_fasttext(path, model, words, own, shared)
    for name in ("vectors", "syn0"):
        if (matrix := stored(name)) is not None:
            return paired(path, matrix, words, path.name)
    where = path.with_name(f"{path.name}.{prefix}vectors.npy").name
    raise refusal(
        path,
        f"the vectors are not in this gensim model, and not beside it: it was saved with {where}, which is missing",
    )


def _of_fasttext(path: Path, model: Record, words: Sequence[str], own: Matrix, shared: Matrix) -> Rows:
    settings = [number for name in ("min_n", "max_n", "bucket") if isinstance(number := model.state.get(name), int)]
    if len(settings) != 3:
        raise refusal(path, "expected min_n, max_n and bucket, as gensim's FastText has them")
    minn, maxn, buckets = settings
    if not buckets:
        return paired(path, own, words, path.name)
    if model.state.get("compatible_hash") is not True:
        what = "the n-grams of this gensim model are hashed as gensim before 3.8 did, unlike fastText"
        raise refusal(path, f"{what}: gensim 3.8.3 loads it and saves it anew")
    if not (0 <= minn <= LONGEST and 0 <= maxn <= LONGEST) or shared.shape != (buckets, *own.shape[1:]):
        what = f"{buckets} buckets of n-grams of {minn} to {maxn} characters, and a table of shape {shared.shape}"
        raise refusal(path, f"{what}: they do not belong together")
    ngrams = Ngrams(rows=shared, minn=minn, maxn=maxn)
    return paired(path, _Composed(words, own, ngrams), words, path.name, ngrams)


class _Composed:
    """Rows of words as gensim makes them when it loads a model: the mean of a word's own and of those of its n-grams."""

    def __init__(self, words: Sequence[str], own: Matrix, ngrams: Ngrams) -> None:
        self._words, self._own, self._ngrams = words, own, ngrams
        self.shape = own.shape

    def __getitem__(self, some: slice) -> NDArray[np.float32]:
        ngrams, rows = self._ngrams, np.array(self._own[some], np.float32)
        found, counts = ngram_buckets(self._words[some], ngrams.minn, ngrams.maxn, ngrams.rows.shape[0])
        starts = np.cumsum(counts) - counts
        # One n-gram of all words after the other: each word's are added in their order, as rounding asks for.
        for i in range(counts.max(initial=0)):
            having = np.flatnonzero(counts > i)
            rows[having] += ngrams.rows[found[starts[having] + i]]
        rows /= (counts + 1).astype(np.float32)[:, None]
        return rows
