"""gensim's own files, Polyglot's, and dicts of vectors: pickles of which the data are read and nothing is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._embmap import add_ngrams
from .matrices import of_npy
from .pickles import Record, array_of, read_pickle
from .rows import Matrix, Ngrams, Rows, as_float32, paired, refusal, text_of


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
    try:
        return np.array(value, np.float64) if is_row else None
    except OverflowError:
        # A whole number of more digits than float64 has room for.
        return None


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

    ngrams = None
    # A model of words alone may lie where a fastText model's arrays were left.
    if "bucket" in model.state and (shared := stored("vectors_ngrams")) is not None and shared.size:
        ngrams = _ngrams(model, shared)
    for name in ("vectors", "syn0"):
        if (matrix := stored(name)) is not None:
            return paired(path, matrix, words, path.name, ngrams if isinstance(ngrams, Ngrams) else None)
    if (own := stored("vectors_vocab")) is not None:
        if isinstance(ngrams, str):
            raise refusal(path, ngrams)
        return paired(path, own if ngrams is None else _Composed(path, words, own, ngrams), words, path.name, ngrams)
    where = path.with_name(f"{path.name}.{prefix}vectors.npy").name
    raise refusal(
        path,
        f"the vectors are not in this gensim model, and not beside it: it was saved with {where}, which is missing",
    )


def _ngrams(model: Record, shared: NDArray[Any]) -> Ngrams | str:
    """Give the n-grams of gensim's FastText, or what is wrong with them."""
    settings = [number for name in ("min_n", "max_n", "bucket") if type(number := model.state.get(name)) is int]
    if len(settings) != 3:
        return "expected min_n, max_n and bucket, as gensim's FastText has them"
    minn, maxn, buckets = settings
    if model.state.get("compatible_hash") is not True:
        what = "the n-grams of this gensim model are hashed as gensim before 3.8 did, unlike fastText"
        return f"{what}: gensim 3.8.3 loads it and saves it anew"
    if len(shared) != buckets:
        return f"{buckets} buckets of n-grams, and a table of shape {shared.shape}: they do not belong together"
    return Ngrams(rows=shared, minn=minn, maxn=maxn)


class _Composed:
    """Rows of words as gensim makes them when it loads a model: the mean of a word's own and of those of its n-grams."""

    def __init__(self, path: Path, words: Sequence[str], own: Matrix, ngrams: Ngrams) -> None:
        self._path, self._words, self._own, self._ngrams = path, words, own, ngrams
        self._table = as_float32(path, ngrams.rows, 0)
        self.shape = own.shape

    def __getitem__(self, some: slice) -> NDArray[np.float32]:
        rows = np.array(as_float32(self._path, self._own[some], some.start or 0))
        try:
            add_ngrams(self._words[some], rows, self._table, self._ngrams.minn, self._ngrams.maxn)
        except (ValueError, OverflowError) as error:
            raise refusal(self._path, f"its n-grams cannot be: {error}") from None
        return rows
