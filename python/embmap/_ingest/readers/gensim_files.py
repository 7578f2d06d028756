"""gensim's own files, Polyglot's, and dicts of vectors: pickles of which the data are read and nothing is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .matrices import of_npy
from .pickles import Record, array_of, read_pickle
from .rows import Matrix, refusal


def beside(path: Path) -> tuple[Path, ...]:
    """Give the arrays that a model of gensim's keeps in files of their own."""
    return tuple(sorted(path.parent.glob(f"{_escaped(path.name)}.*.npy")))


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def of_pickle(path: Path) -> tuple[Matrix, Sequence[str]]:
    """Give the words and vectors of a pickle: of gensim's `KeyedVectors` or a model with one, of Polyglot, or of a dict."""
    with path.open("rb") as file:
        found = read_pickle(path, file)
    if isinstance(found, Record):
        return _of_model(path, found)
    if isinstance(found, dict) and found and all(isinstance(word, str) for word in found):
        rows = [_row(array_of(row)) for row in found.values()]
        if all(row is not None and row.shape == rows[0].shape for row in rows):
            return np.stack(rows), list(found)
    if isinstance(found, tuple) and len(found) == 2:
        words, matrix = found[0], array_of(found[1])
        if isinstance(words, (list, tuple)) and isinstance(matrix, np.ndarray):
            return matrix, [word.decode() if isinstance(word, bytes) else str(word) for word in words]
    raise refusal(
        path, "this is a Python pickle without words and vectors: expected gensim's, (words, matrix) or word -> vector"
    )


def _row(value: Any) -> Any:
    """Give one vector as an array, or None where it is none."""
    if isinstance(value, np.ndarray):
        return value if value.ndim == 1 and value.dtype.kind in "fiu" else None
    is_row = isinstance(value, (list, tuple)) and all(isinstance(number, (int, float)) for number in value)
    return np.array(value, np.float64) if is_row else None


def _of_model(path: Path, model: Record) -> tuple[Matrix, Sequence[str]]:
    prefix = ""
    if isinstance(inner := model.state.get("wv"), Record):
        model, prefix = inner, "wv."
    words = model.state.get("index_to_key") or model.state.get("index2word")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise refusal(
            path,
            f"this is a pickle of {model.of}, which has no words: expected gensim's KeyedVectors, or a model with one",
        )
    for name in ("vectors", "syn0"):
        matrix = array_of(model.state.get(name))
        if isinstance(matrix, np.ndarray):
            return matrix, words
        apart = path.with_name(f"{path.name}.{prefix}{name}.npy")
        if apart.exists():
            return of_npy(apart), words
    if "vectors_ngrams" in model.state or "vectors_vocab" in model.state:
        what = "the vectors of this gensim model are made of its n-grams when it is loaded"
        raise refusal(path, f"{what}: load it with gensim, and use embmap.from_gensim(model, path)")
    where = path.with_name(f"{path.name}.{prefix}vectors.npy").name
    raise refusal(
        path,
        f"the vectors are not in this gensim model, and not beside it: it was saved with {where}, which is missing",
    )
